#### command substitution [unsupported]
x=$(echo a)
#### backquotes [unsupported]
x=`echo a`
#### pipe [unsupported]
echo a | cat
#### background [unsupported]
echo a &
#### subshell [unsupported]
(echo a)
#### here-document [unsupported]
cat <<E
a
E
#### output to a file [unsupported]
echo a >out.txt
#### input from a file [unsupported]
. ./env/literal.sh <a.txt
#### append to a file [unsupported]
echo a >>out.txt
#### closing a descriptor [unsupported]
echo a >&-
#### another descriptor [unsupported]
echo a 3>&1
#### exec with a redirection [unsupported]
exec 2>/dev/null
#### external command [unsupported]
ls
#### external command in a condition [unsupported]
if ls; then echo a; fi
#### external command with a path [unsupported]
/bin/true; echo a
#### command -v [unsupported]
command -v sh
#### trap [unsupported]
trap 'echo x' EXIT
#### cd [unsupported]
cd /
#### read [unsupported]
read x
#### umask [unsupported]
umask 022
#### getopts [unsupported]
getopts a: o
#### alias [unsupported]
alias x=y
#### type [unsupported]
type ls
#### $$ [unsupported]
echo $$
#### $! [unsupported]
echo $!
#### $- [unsupported]
echo $-
#### $LINENO [unsupported]
echo $LINENO
#### $_ [unsupported]
echo $_
#### $PPID [unsupported]
echo "$PPID"
#### $RANDOM [unsupported]
echo $RANDOM
#### double brackets [unsupported]
[[ a = a ]] && echo a
#### array assignment [unsupported]
a=(1 2)
#### array element [unsupported]
echo ${a[0]}
#### substring [unsupported]
echo ${FOO:1:2}
#### replacement [unsupported]
echo ${FOO//o/0}
#### case modification [unsupported]
echo ${FOO^^}
#### indirection [unsupported]
echo ${!FOO}
#### ansi quotes [unsupported]
echo $'a\n'
#### locale quotes [unsupported]
echo $"a"
#### here-string [unsupported]
cat <<<a
#### process substitution [unsupported]
. <(echo)
#### function keyword [unsupported]
function f { echo a; }
#### brace expansion [unsupported]
echo {a,b}
#### brace range [unsupported]
echo {1..3}
#### += assignment [unsupported]
FOO+=x
#### double equals in test [unsupported]
[ a == a ]
#### test of age [unsupported]
[ a.txt -nt b.txt ]
#### parentheses in test [unsupported]
[ \( a \) ]
#### unknown operator in test [unsupported]
[ a -foo b ]
#### not a number in test [unsupported]
[ a -eq 1 ]
#### missing bracket [unsupported]
[ a
#### test with too much [unsupported]
[ a b c ]
#### operand that looks like an operator [unsupported]
[ -n -a -z ]
#### printf of a float [unsupported]
printf '%f\n' 1.5
#### printf of a non-number [unsupported]
printf '%d\n' abc
#### printf with a star [unsupported]
printf '%*s\n' 5 a
#### printf of hexadecimal [unsupported]
printf '%x\n' 10
#### arithmetic assignment [unsupported]
echo $((x=1))
#### arithmetic increment [unsupported]
echo $((x++))
#### arithmetic power [unsupported]
echo $((2**3))
#### division by zero [unsupported]
echo $((1/0))
#### bad octal [unsupported]
echo $((08))
#### variable that is no number [unsupported]
x=abc; echo $((x))
#### empty arithmetic [unsupported]
echo $(())
#### arithmetic overflow [unsupported]
echo $((9223372036854775807+1))
#### number out of range [unsupported]
echo $((99999999999999999999))
#### double parentheses command [unsupported]
((x=1))
#### missing file [unsupported]
. ./env/missing.sh
#### file not in PATH [unsupported]
. no-such-file-anywhere.sh
#### sourcing a directory [unsupported]
. ./dir
#### sourcing with other arguments [unsupported]
. ./env/params.sh other
#### arguments that are not the parameters [unsupported]
set -- a; . ./env/params.sh "$1" b
#### shift too far [unsupported]
set -- a; shift 2
#### shift of no number [unsupported]
shift x
#### return at the top [unsupported]
return 1
#### return of too much [unsupported]
f() { return 256; }; f
#### exit of no number [unsupported]
exit abc
#### break outside a loop [unsupported]
break
#### break zero [unsupported]
for i in 1; do break 0; done
#### break out of a sourced file [unsupported]
for i in 1 2; do . ./env/breaks.sh; done
#### break out of a function [unsupported]
f() { break; }; for i in 1; do f; done
#### local outside a function [unsupported]
local x=1
#### local without a value of a variable that is set [unsupported]
f() { local FOO; }; f
#### assignment to a read-only variable [unsupported]
readonly R=1; R=2
#### unset of a read-only variable [unsupported]
readonly R=1; unset R
#### local of a read-only variable [unsupported]
readonly R=1; f() { local R=2; }; f
#### for with a read-only variable [unsupported]
readonly R=1; for R in a; do :; done
#### export with a bad name [unsupported]
export 1a=b
#### export with an option [unsupported]
export -p
#### export alone [unsupported]
export
#### set alone [unsupported]
set
#### set with an unknown option [unsupported]
set -x
#### set with an unknown long option [unsupported]
set -o pipefail
#### set with a single dash [unsupported]
set -
#### unset with a bad name [unsupported]
unset a-b
#### assignment before a function [unsupported]
f() { echo $x; }; x=1 f
#### function named as a special builtin [unsupported]
export() { :; }
#### function with an odd name [unsupported]
a-b() { :; }
#### function with a simple body [unsupported]
f() echo a
#### tilde of a user [unsupported]
echo ~root
#### backslash in an unquoted pattern [unsupported]
p='\*'; case '*' in $p) echo a;; esac
#### caret in a bracket [unsupported]
case a in [^b]) echo a;; esac
#### collating symbol [unsupported]
case a in [[.a.]]) echo a;; esac
#### unknown class [unsupported]
case a in [[:foo:]]) echo a;; esac
#### length of non-ASCII [unsupported]
x=é; echo ${#x}
#### question mark against non-ASCII [unsupported]
case é in ?) echo one;; *) echo more;; esac
#### dot patterns [unsupported]
echo .*
#### length of all parameters [unsupported]
echo ${#@}
#### operators on all parameters [unsupported]
echo "${@:-x}"
#### all parameters as an assigned default [unsupported]
echo ${u:="$@"}
#### assigning a positional parameter [unsupported]
echo ${9:=x}
#### unterminated quote [unsupported]
echo 'a
#### unterminated double quote [unsupported]
echo "a
#### unterminated brace [unsupported]
echo ${a
#### unterminated substitution [unsupported]
if false; then x=$(echo; fi
#### missing fi [unsupported]
if true; then echo a
#### missing done [unsupported]
while true; do echo a
#### missing then [unsupported]
if true; echo a; fi
#### stray fi [unsupported]
fi
#### stray parenthesis [unsupported]
echo a )
#### empty then [unsupported]
if true; then fi
#### missing command after and [unsupported]
true && ; echo a
#### semicolon alone [unsupported]
;
#### two nots [unsupported]
! ! true
#### error later on the same line [unsupported]
echo a; fi
#### bad function syntax [unsupported]
f( { echo a; }
#### octal escape without zero in echo [unsupported]
echo '\101'
#### escape character in echo [unsupported]
echo '\e[1m'
#### odd escape in a printf format [unsupported]
printf '\q'
#### exec with an option [unsupported]
exec -a name probe
#### exec of nothing [unsupported]
exec ''
#### a builtin from an expansion that declares [unsupported]
c=export; $c a=b
#### dot in a condition under errexit [unsupported]
set -e; if . ./env/fails.sh; then :; fi
#### nounset in arithmetic [unsupported]
set -u; echo $((NOPE+1))
#### endless loop [unsupported]
while :; do :; done
#### endless recursion [unsupported]
f() { f; }; f
#### endless growth [unsupported]
x=a; while :; do x=$x$x; done
#### endless sourcing [unsupported]
. ./env/self.sh
#### deep nesting [unsupported]
eval eval eval eval eval eval eval eval eval eval echo ok; x=:; i=0; while [ $i -lt 2000 ]; do x="{ $x; }"; i=$((i+1)); done; eval "$x"
#### redirection to a path from a variable [unsupported]
o=out; echo a >$o
