#### errexit ends at a failure [raw]
set -e; echo a; false; echo no
#### errexit with a status [raw]
set -e; f() { return 7; }; echo a; f; echo no
#### errexit spares conditions
set -e; if false; then :; fi; false || echo 1; false && echo no; ! true; while false; do :; done; until true; do :; done; ! false; echo 2; false || false || true; { false || true; }; if ! true; then :; fi; echo 3
#### errexit in the last of and-or [raw]
set -e; true && false; echo no
#### errexit in the last of or [raw]
set -e; false || false; echo no
#### errexit in tested functions is off
set -e; f() { false; echo still; }; f || echo no; if f; then echo yes; fi; f && echo and; ! f; echo end
#### errexit in functions [raw]
set -e; f() { false; echo no; }; f; echo no
#### errexit in braces and loops [raw]
set -e; for i in 1 2; do { echo $i; [ $i = 1 ]; }; done; echo no
#### errexit in eval and sourced files [raw]
set -e; eval 'false || true; echo a'; . ./env/literal.sh; eval 'false'; echo no
#### errexit in a sourced file [raw]
set -e; . ./env/fails.sh; echo no
#### errexit off again
set -e; set +e; false; echo on; set -o errexit; set +o errexit; false; echo still
#### errexit of a negated function
set -e; f() { false; true; }; ! f || echo ok; f2() { [ -f nothing ] && echo x; }; if f2; then :; fi; echo end
#### errexit of and-or list as last in function [raw]
set -e; f() { [ -f nothing ] && echo x; }; f; echo no
#### nounset with set variables
set -u; echo "$FOO" "${NOPE-d}" "${NOPE:-d}" "${NOPE+x}" "$EMPTY" "$@" "$*" $#; set --; echo "$@" "$*"; set +u; echo "$NOPE"
#### nounset ends the shell [raw]
set -u
echo a
echo "$NOPE"
echo no
#### nounset on positional parameters [raw]
set -u; set -- a; echo $1; echo $2
#### nounset on lengths and trims [raw]
set -u; echo ${#NOPE}
#### nounset on trims [raw]
set -u; echo ${NOPE#x}
#### allexport
set -a; V1=x; f() { V2=y; }; f; V3=; unset V3; for V4 in 1 2; do :; done; : ${V5=z}; set +a; V6=no
