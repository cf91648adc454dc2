#### colon, true, false
: anything $FOO; echo $?; true x; echo $?; false x; echo $?
#### eval
eval echo hello; eval 'x=1; y="$x 2"'; echo "$y"; eval; echo $?; eval ''; echo $?; eval 'false'; echo $?; eval 'echo a' '; echo b'; v=FOO; eval "w=\$$v"; echo "$w"; eval "echo \"\${$v}\""
#### eval several lines
eval 'if true
then echo multi
fi
echo end'
#### eval keeps empty arguments harmless
eval '' echo a; eval "  " ; eval "# comment"; echo $?; eval : ''
#### shift
set -- a b c d; shift; echo "$*"; shift 2; echo "$*"; shift 0; echo "$*"; shift; echo $#
#### set
set -- a 'b c' ''; echo $#; set x y; echo "$*"; set -- -e; echo "$1"; set --; echo $#; set -- "$@" n; set -- m "$@"; echo "$*"
#### set with options and parameters
set -f x '*'; echo $2; set +f -- p; echo "$*"; set -e q; echo $1; set +e; set -o noglob; echo *; set +o noglob; set -eu z; set +eu; echo $1
#### test of strings
t() { if [ "$@" ]; then echo "$* yes"; else echo "$* no"; fi; }; t; t ''; t a; t -n; t -n ''; t -n a; t -z ''; t -z a; t a = a; t a = b; t a != b; t '' = ''; t ! a; t ! ''; t ! a = a; t ! -n ''; t ! -z ''; t !; t -f; t = = =; t ! = !; t -n = -n; t -z != x
#### test of integers
t() { if test "$@"; then echo "$* yes"; else echo "$* no"; fi; }; t 1 -eq 1; t 1 -ne 1; t -5 -lt 3; t 3 -le 3; t 4 -gt 05; t 007 -ge 7; t 0 -eq -0
#### test of files
t() { if [ "$@" ]; then printf 'y '; else printf 'n '; fi; }; for f in a.txt dir exe empty link dangling none lnkdir /dev/null '' 'sp ace' dir/ a.txt/; do for o in -e -f -d -r -w -x -L -h -s -p -c -b -S; do t $o "$f"; done; echo "$f"; done
#### test with -a and -o
t() { if [ "$@" ]; then echo y; else echo n; fi; }; t a -a b; t a -a ''; t '' -o b; t '' -o ''; t -n a -a -n b; t -n a -a -z b; t -z a -o -n b; t a = a -a b = b; t a = b -o b = b; t 1 -eq 1 -a -f a.txt -a ! -d a.txt; t ! a = a -o b = b; t x -a y -o z
#### test with a terminal [unsupported]
[ -t 0 ] </dev/null && echo no; [ -t 7 ] || echo closed; [ -t 1 ] >/dev/null || echo null
#### test of a descriptor that is no terminal
[ -t 7 ] || echo closed; [ -t 1 ] >/dev/null || echo null
#### bracket as a word
x=a; [ "$x" = a ]&&echo glued; [ $x = a ] ; echo $?; [ "" ]; echo $?; [ ]; echo $?
#### redirections
echo a >/dev/null; echo b >&2; echo c 1>&2; echo d 2>/dev/null; echo e >/dev/null 2>&1; echo f 2>&1 >/dev/null; echo g 2>&1; { echo h; echo i >&2; } 2>/dev/null; { echo j >&2; } 2>&1; if echo k; then echo l >&2; fi >&2; for i in 1 2; do echo $i; done >/dev/null; echo m >>/dev/null; echo n >|/dev/null; n=/dev/null; echo o >$n; >/dev/null; echo $?; { { echo p >&2; } 2>&1; } >/dev/null; case x in x) echo q;; esac >&2; echo r >&1; echo s 2>&2
#### dot with redirection
. ./env/say.sh >/dev/null; . ./env/say.sh >&2; eval 'echo e' >&2
#### unset positional and IFS
IFS=:; unset IFS; x='a b'; set -- $x; echo $#
