#### command only [raw]
OCI_ENTRYPOINT=''
OCI_CMD='"nginx" "-g" "daemon off;"'
QUOTED=""
while [ $# -gt 0 ]; do
    QUOTED="${QUOTED} \"$1\""
    shift
done
if [ -z "$OCI_ENTRYPOINT" ]; then
    if [ -n "$QUOTED" ]; then RUN="$QUOTED"; else RUN="$OCI_CMD"; fi
else
    if [ -n "$QUOTED" ]; then RUN="$OCI_ENTRYPOINT $QUOTED"; else RUN="$OCI_ENTRYPOINT $OCI_CMD"; fi
fi
eval "set -- probe ${RUN}"
exec "$@"
#### no arguments [raw]
set --
OCI_CMD='"probe" "-g" "daemon off; $FOO"'
QUOTED=""
for arg in "$@"; do QUOTED="${QUOTED} \"${arg}\""; done
if [ -n "$QUOTED" ]; then RUN=$QUOTED; else RUN=$OCI_CMD; fi
eval "set ${RUN}"
exec "$@"
#### literal, without evaluation [raw]
NO_EVAL=1
set -- '$FOO' 'b"c'
if [ -n "$NO_EVAL" ]; then
    if [ $# -gt 0 ]; then set -- probe "$@"; else set -- probe default; fi
    exec "$@"
fi
#### arguments are evaluated [raw]
set -- '$FOO ${HOME}' 'a\"b' '~' '*.txt'
Q=
while [ $# != 0 ]; do Q="$Q \"$1\""; shift; done
eval "set -- probe $Q"
exec "$@"
#### many arguments [raw]
set -- 1 2 3 4 5 6 7 8 9 10; set -- "$@" "$@" "$@" "$@"; set -- "$@" "$@" "$@" "$@"; set -- "$@" "$@" "$@"
Q=; while [ $# -gt 0 ]; do Q="${Q} \"$1\""; shift; done
eval "set -- probe $Q"; exec "$@"
#### a command substitution in an argument [raw] [unsupported]
set -- '$(id)'; eval "set -- probe \"$1\""; exec "$@"
