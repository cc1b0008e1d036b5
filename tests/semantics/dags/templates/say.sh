echo "from a file: {{ params.city }} $GREETING"
