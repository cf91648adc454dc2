#### a program at the end [tail]
echo a; probe x "$FOO"
#### with assignments [tail]
A=1 B="$FOO x" probe y
#### followed by blank lines and comments [tail]
probe z

  # end

#### in if [tail]
if true; then echo a; probe in-if; fi
#### in else in case in braces [tail]
if false; then :; else case x in x) { probe deep; };; esac; fi
#### behind and [tail]
[ -n "$FOO" ] && probe and
#### behind or [tail]
false || probe or
#### in a function [tail]
main() { echo start; probe "$@"; }; main a b
#### in eval [tail]
eval 'probe evaluated'
#### in a sourced file [tail]
. ./env/tail.sh
#### a path [tail]
./exe-probe a
#### with set -e [tail]
set -e; probe last
#### local export [tail]
f() { local V=1; export V; probe f; }; f
#### not the last command [tail] [unsupported]
probe a; echo b
#### not the last line [tail] [unsupported]
probe a
echo b
#### before and [tail] [unsupported]
probe a && echo b
#### a condition [tail] [unsupported]
if probe a; then echo b; fi
#### negated [tail] [unsupported]
! probe a
#### in a loop [tail] [unsupported]
for i in 1; do probe $i; done
#### redirected [tail] [unsupported]
probe a >/dev/null
#### in a redirected group [tail] [unsupported]
{ probe a; } 2>/dev/null
#### last in a sourced file that is not last [tail] [unsupported]
. ./env/tail.sh
echo b
#### last in a function that is not called last [tail] [unsupported]
f() { probe f; }; f; echo b
#### a builtin of other shells [tail] [unsupported]
cd /
#### in the background [tail] [unsupported]
probe a &
