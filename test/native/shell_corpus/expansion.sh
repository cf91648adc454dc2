#### defaults
unset u; n=; s=v; printf '<%s>\n' "${u-d}" "${u:-d}" "${n-d}" "${n:-d}" "${s-d}" "${s:-d}"
#### alternates
unset u; n=; s=v; printf '<%s>\n' "${u+a}" "${u:+a}" "${n+a}" "${n:+a}" "${s+a}" "${s:+a}" ${u+a b} ${s+a b} x
#### assigning defaults
unset u; n=; echo "${u=1} ${u=2} ${n=3} ${n:=4} $n"; echo ${w:=a  b} "$w"
#### assigning default in an operand
echo "${a:-${b:=x}}" "$b" "${c:+$d}" "${b:+${e=y}$b}" "$e"
#### error operator with a value
n=; echo "${FOO?no}" "${FOO:?no}" "${n?no}"
#### lengths
x=hello; n=; echo "${#x} ${#n} ${#FOO} ${#}"; set -- abc de; echo "${#1} ${#2}"
#### trimming
p=/usr/local/lib/libx.so.1.2; printf '%s\n' "${p#*/}" "${p##*/}" "${p%/*}" "${p%%/*}" "${p%.*}" "${p%%.*}" "${p#/usr}" "${p%.2}" "${p#nope}" "${p%nope}" "${p#}" "${p%}"
#### trimming with patterns
x=aabbcc; printf '%s\n' "${x#a*b}" "${x##a*b}" "${x%b*c}" "${x%%b*c}" "${x#?}" "${x%[a-c]}" "${x##[!b]*}" "${x#*}" "${x##*}" "${x%*}" "${x%%*}"
#### trimming with quoted patterns
x='a*b*c'; s='*'; printf '%s\n' "${x#a*}" "${x#a"*"}" "${x#a'*'}" "${x##*$s}" "${x##*"$s"}" "${x%\**}" "${x%%"$s"*}" ${x#a\*}
#### trimming in quotes keeps its own quoting
x="a'b"; printf '%s\n' "${x#a\'}" "${x#"a'"}" "${x%"b"}"
#### trimming positional parameters
set -- foo.c bar.c; printf '%s\n' "${1%.c}" "${2#bar}" ${1%.*}
#### nested expansions
a=1; b=2; printf '%s\n' "${a:+${b:+both}}" "${u:-${v:-${w:-deep}}}" "${u:-$a$b}" "${u:-"$a" "$b"}"
#### unquoted defaults split
printf '<%s>\n' ${u:-a b c} ${u:-"a b" c} ${u:-a' 'b} x${u:- y }z
#### operand of assignment
x=${u:-a b}; y=${u:-"a  b"}; z=${u:-~}; export x y z
#### tilde
printf '%s\n' ~ ~/x ~/ "~" '~/x' \~ ~"/x" x~ a=~ ${u:-~/d} "${u:-~/d}" ~/"q r"
#### tilde without HOME
unset HOME; echo ~ ~/x
#### tilde with an odd HOME
HOME='/a b *'; printf '<%s>\n' ~/c; HOME=; printf '<%s>\n' ~/x; x=~; echo "[$x]"
#### tilde in case
case $HOME in ~) echo home;; esac; case ~/x in /h/x) echo path;; esac
#### all parameters, quoted
set -- a 'b c' '' d; printf '<%s>' "$@"; echo; printf '<%s>' "$*"; echo; printf '<%s>' x"$@"y; echo; printf '<%s>' "p $@ q"; echo
#### all parameters, unquoted
set -- a 'b c' '' d; printf '<%s>' $@; echo; printf '<%s>' $*; echo; printf '<%s>' x$@y; echo
#### no parameters
set --; printf '<%s>' "$@"; echo $#; set -- "$@"; echo $#; set -- "$@" x; echo $#; set --; printf '<%s>' "$*" a$@b "${@}"; echo
#### no parameters with other quotes
set --; set -- ""$@; echo $#; set --; set -- "$@""$@"; echo $#; set --; set -- "$@"$EMPTY; echo $#; set --; set -- "x$@"; echo $#
#### the old idiom for all parameters
set -- a 'b c'; printf '<%s>' ${1+"$@"}; echo; set --; printf '<%s>' ${1+"$@"} x; echo
#### all parameters joined
set -- a 'b c' d; x=$*; y="$*"; z="$@"; w=$@; export x y z w; IFS=,; x="$*"; y=$*; unset IFS; z="$*"
#### $* with an empty IFS
set -- a 'b c' d; IFS=; x="$*"; printf '<%s>' $* $@; echo "$*"
#### $* in a pattern and in a here word
set -- a b; case "a b" in $*) echo yes;; esac; case $* in 'a b') echo yes;; esac
#### glob characters in values
x='*'; printf '<%s>\n' "$x" '*'; y=$x; printf '<%s>\n' "$y"
#### expansion order in one command
unset a; printf '<%s>\n' "${a-unset}" "${a:=set}" "$a"
#### empty expansions vanish
unset u; set -- $u $EMPTY "$u" '' $u""; echo $#
#### command name from an expansion
c=echo; $c hello; c='echo a'; $c b; $EMPTY echo c; $u; echo $?
#### parameters in braces
x=abc; echo "${x}def" ${x}$x "$x"'$x' ${1} "${#}" "${?}"
