#### assignment and use
a=1 b=2; c=$a$b; export c; echo "$a $b $c ${c}x"
#### assignments see earlier ones in the same command
a=1 b=$a c=$b$a; export a b c
#### values are not split nor matched
x='a   b *'; y=$x; z="$x"; export y z; printf '<%s>\n' "$y" "$z"
#### export forms
export A B=2 C="three words"; A=1; D=4; export D; export A="$A again"
#### export does not split
x='a b  c'; export y=$x z="$x"; echo "$y|$z"
#### export keeps tildes and colons
export P=~/bin:~/lib:x~:~ Q="~/no" R=a~
P2=~:~/x; export P2
#### unset removes from the environment
unset FOO NOTSET; export EMPTY; echo "${FOO-unset}"
#### unset then assign is not exported
unset FOO; FOO=again; echo "$FOO"
#### unset -v and -f
f() { echo f; }; v=1; unset -v v; unset -f f nothing; echo "${v-unset}"
#### readonly
readonly R=1 S; echo "$R" "${S-unset}"; export R
#### imported variables can be changed and are exported
FOO=changed; LIST=
#### exported without a value is not in the environment
export NOVALUE; echo "${NOVALUE-unset}"
#### prefix assignments of special builtins stay
a=1 :; echo "$a"; b=2 export c=3; echo "$b$c"; d=4 eval 'echo "$d"'; echo "$d"; e=5 set -- x; echo "$e"
#### prefix assignments of other builtins do not stay
a=0; a=1 true; echo "$a"; b=2 echo x; echo "${b-unset}"; FOO=z test x; echo "$FOO"; c=1 c=2 true; echo "${c-unset}"
#### prefix assignment of exec is exported [raw]
G=1 H="$FOO x" exec probe "$FOO"
#### a long value grows in place
x=; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do x="$x$x-$i"; x=${x#?}; [ ${#x} -lt 3000 ] || x=short; done; export x
#### self assignment
x=abc; x=$x; x="$x$x"; x=${x#a}; x=${x%c}; export x
#### IFS from the environment is ignored
x=a:b; set -- $x; echo $#
#### names with digits and underscores
_a1=x; A_2=y; export _a1 A_2; echo "$_a1 $A_2 ${_a1}z"
#### special parameters
echo "$#" "$1" "${2}" "$3" "${10-none}" "$0"; false; echo $?; true; echo "$?"
#### $10 is $1 and a zero
set -- a b c d e f g h i j; echo $10 ${10}
#### allexport
set -a; AA=1; . ./env/literal.sh; set +a; BB=2
#### OPTIND and PWD
echo "$OPTIND"; echo "$PWD"
#### environment entries that are no names are dropped
exec probe
