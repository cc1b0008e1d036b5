"""A dag file of skyray that never comes to the ground."""


def down() -> None:
    down()


down()
