#### echo
echo; echo a b; echo -n a; echo -n; echo -n b c; echo; echo -n -n; echo; echo -- a; echo -e a; echo -nn; echo - ; echo a -n; echo ''; echo '' a; echo -n ''; echo end
#### echo escapes
echo 'a\tb\nc\\d\q\"'; echo "x\\ny"; echo 'tab\there' 'bell\a\b\f\r\v|'; echo '\0101\060\0x\00'; echo 'trailing\'; echo 'a\0'; echo '\01234'
#### echo stops at \c
echo 'a\cb' more; echo next; echo -n 'x\c'; echo '\c'; echo y
#### printf strings
printf 'a\n'; printf '%s\n' a b; printf '%s-%s\n' a b c; printf '%s\n'; printf '%s\n' ''; printf x; printf '\n'; printf '%%\n'; printf '%s%%%s\n' a b; printf 'no newline'; printf '\\ \a\b\f\n\r\t\v|\101\60\0\n'; printf -- '-%s\n' x; printf ''; printf '%s' ; printf 'a%sb\n' ; printf '%s\n' '%s' '\n'
#### printf widths [unsupported]
printf '[%5s][%-5s][%.2s][%5.1s][%-4.3s][%0s]\n' abc abc abc abc abcdef; printf '[%1s]\n' abc
#### printf widths of strings
printf '[%5s][%-5s][%.2s][%5.1s][%-4.3s]\n' abc abc abc abc abcdef; printf '[%1s]\n' abc; printf '[%.0s]\n' abc; printf '[%.s]\n' abc; printf '[%3s]' a bb ccc dddd; echo
#### printf numbers
printf '%d %i\n' 1 -2 30; printf '%d\n'; printf '[%3d][%-3d][%03d][%03d]\n' 5 6 7 -8; printf '%d-' 1 2 3; echo; printf '%5d|%-5d|%05d\n' 123456 12 -12
#### printf %b
printf '%b\n' 'a\tb' 'c\\d'; printf '%b|%b\n' x; printf '%b' 'a\0101\n'; printf 'x%by\n' '1\c2' 3; printf '%b\n' z
#### printf reuses its format
printf '%s=%s;' a 1 b 2 c; echo; printf '%s %d\n' a 1 b; printf 'const\n' ; printf '<%s>' "$@"; echo
#### output to both in order
echo 1; echo 2 >&2; echo 3; printf 4 >&2; printf 5
#### long output
x=0123456789; x=$x$x$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x$x$x; echo $x; printf '%s\n' $x $x; echo $x$x$x >&2
