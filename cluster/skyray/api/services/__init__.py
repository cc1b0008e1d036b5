"""The services of the admin API, one file each. Methods are named, and answer, as protos/skyray/admin/v1 says."""
