#### a file by path
. ./env/literal.sh; . env/literal.sh; echo "$LITERAL $?"
#### a file by absolute path
. "$PWD/env/literal.sh"; echo "$LITERAL"
#### a file by PATH
PATH=$PWD/env:$PATH; . literal.sh; echo "$LITERAL"; . say.sh
#### status of a sourced file
. ./env/literal.sh; echo $?; . ./env/status.sh; echo $?; false; . ./env/empty.sh; echo $?
#### sourced files see parameters and status
false; . ./env/params.sh; set -- x y; . ./env/params.sh
#### sourced files may change parameters
set -- a b c; . ./env/shifts.sh; echo "$*"
#### return from a sourced file
. ./env/returns.sh; echo $?; f() { . ./env/returns.sh; echo "in f $?"; return 2; }; f; echo $?
#### exit in a sourced file [raw]
. ./env/exits.sh; echo no
#### nested sourcing
. ./env/nested.sh; echo "$NESTED $LITERAL"
#### sourcing in a loop
for f in ./env/l*.sh ./env/e*y.sh; do [ -f "$f" ] && . "$f"; done; echo "$f $LITERAL"
#### arguments that are the parameters anyway
set -- a b; . ./env/params.sh "$@"
#### exec in a sourced file [raw]
. ./env/execs.sh; echo no
#### in a function
f() { local L=1; . ./env/literal.sh; echo "$LITERAL $1"; }; f arg
#### loops in sourced files
for i in 1 2; do . ./env/loop.sh; done
