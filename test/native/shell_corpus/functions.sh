#### definition and call
f() { echo "f $# $1"; }; f; f a 'b c'; g () { echo g; }
h()
{
  echo h
}
g; h; k() if true; then echo k; fi; k; l() case $1 in x) echo lx;; esac; l x; m() for i; do echo "m$i"; done; m 1 2
#### positional parameters are the function's own
f() { echo "$# $*"; shift; echo "$1"; set -- p q r; echo "$#"; }; set -- a b; f 1 2 3; echo "$# $1 $0"
#### return
f() { return 3; echo no; }; f; echo $?; g() { false; return; }; g; echo $?; h() { for i in 1 2; do while :; do return 4; done; done; }; h; echo $?; k() { if return 5; then :; fi; echo no; }; k; echo $?
#### status of a function
f() { false; }; f; echo $?; f() { :; }; f; echo $?; false; f; echo $?
#### local variables
f() { local a=1 b='x y' c; c=3; d=4; echo "$a $b $c"; g; }; g() { echo "g sees ${a-unset}"; a=changed; }; a=0; f 2>/dev/null; echo "$a ${b-unset} ${c-unset} $d"
#### local with expansions
v='a b *'; f() { local x=$v y="$v" z=~/q; printf '<%s>' "$x" "$y" "$z"; echo; }; f
#### local and export
E=out; export E; f() { local E=in; local N=1; export N; unset E; echo "${E-unset}"; }; f; echo "$E ${N-unset}"
#### local exported into exec [raw]
f() { local FOO=inner; local NEW=1; export NEW; exec probe "$FOO"; }; f
#### local twice
f() { local a=1; local a=2; echo $a; unset a; echo ${a-unset}; }; a=0; f; echo $a
#### recursion
f() { if [ $1 -gt 0 ]; then echo $1; f $(($1-1)); echo back $1; fi; }; f 4
#### recursion with local
fact() { if [ $1 -le 1 ]; then r=1; else local n=$1; fact $(($1-1)); r=$((r*n)); fi; }; unset n; fact 1; echo $r
#### redefinition
f() { f() { echo second; }; echo first; }; f; f; unset -f f; f() { echo third; }; f
#### functions precede builtins
echo() { printf 'mine %s\n' "$*"; }; echo a; unset -f echo; echo b; true() { return 1; }; true || echo no
#### function named like a program
ls() { echo "my ls $1"; }; ls x
#### functions and redirection
f() { echo out; echo err >&2; }; f >/dev/null; f 2>/dev/null; f >&2; g() { echo g; } >&2; g
#### functions see and set globals
f() { X=set; export X; }; f; echo $X
#### a function body defined in a sourced file
. ./env/function.sh; from_file a b; echo "$FUNCTION_RAN"
#### a function defined by eval
eval 'f() { echo "from eval $1"; }'; for i in 1 2; do eval "g$i() { echo g$i; }"; done; f x; g1; g2
#### set in a function changes only its parameters
f() { for i; do set -- "$@" "$i$i"; done; echo "$*"; }; f a b; echo "$*"
#### break does not leave a function
for i in 1 2; do f() { for j in x y; do break; done; echo $j; }; f; done
#### exit in a function [raw]
f() { exit 6; }; f; echo no
#### path_munge style
munge() { case ":${PATH}:" in *:"$1":*) ;; *) if [ "$2" = after ]; then PATH=$PATH:$1; else PATH=$1:$PATH; fi;; esac; }; munge /opt/x; munge /opt/y after; munge /opt/x; munge /bin; unset -f munge; echo "${PATH#*tmp}" >/dev/null
