#### error operator [raw]
echo a; : ${NOPE:?must be set}; echo no
#### error operator without a word [raw]
: ${NOPE?}
#### error operator with an empty value [raw]
: "${EMPTY:?}"
#### error operator with expansions [raw]
: "${NOPE:?say $FOO "quoted  words"}"
#### line numbers [raw]
:

: \
 ${NOPE:?here}
#### line numbers in functions [raw]
f() {
  :
  echo "${NOPE:?in f}"
}

f
#### line numbers in eval [raw]
:
eval ':
echo ${NOPE?in eval}'
#### names of sourced files [raw]
:
. ./env/complains.sh
#### in a loop and a case [raw]
for i in a; do
  case ${NOPE?in case} in
  esac
done
#### for words [raw]
:
for i in ${NOPE?for}; do :; done
#### redirected away [raw]
{ echo ${NOPE?hidden}; } 2>/dev/null
#### not redirected by its own command [raw]
echo ${NOPE?shown} 2>/dev/null
#### in an assignment [raw]
x=1
y=${NOPE?assigned} z=2
