#!@shell@
# Starts a program of PostgreSQL as nixpkgs' would: it finds its data by the name that it was called by, links included.
folder=${0%/*}
if [ ! -e "$folder/../share/postgresql/postgres.bki" ]; then
  echo "${0##*/}: error: file \"$folder/../share/postgresql/postgres.bki\" does not exist" >&2
  exit 1
fi
exec @program@ "$@"
