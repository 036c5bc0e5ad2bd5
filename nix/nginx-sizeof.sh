# shellcheck shell=sh
# Prints the size of the type that nginx's auto/types/sizeof asks for, in bytes, without running a program of the target:
# the size is the one that the compiler accepts as such. The variables are those of that script.
for size in 4 8; do
  # shellcheck disable=SC2154 # set by the script that reads this one
  if { cat "$NGX_AUTOTEST.c"; echo "_Static_assert(sizeof($ngx_type) == $size, \"\");"; } |
    $CC "-I$NGX_OBJS" -fsyntax-only -x c - 2>/dev/null; then
    echo "$size"
    break
  fi
done
