#### stars and questions in case
for w in abc a ab '' '*' 'a*c'; do case $w in a?c) echo "$w 1";; a*) echo "$w 2";; \*) echo "$w 3";; '') echo empty;; *) echo "$w 4";; esac; done
#### brackets in case
for w in a b z 5 A - ] ^ '!' x y; do case $w in [a-c]) echo "$w 1";; [!a-zA-Z0-9^!-]) echo "$w 2";; [[:digit:]x-]) echo "$w 3";; [[:upper:]]) echo "$w 4";; *) echo "$w 5";; esac; done
#### bracket corner cases
case ] in []]) echo 1;; esac; case a] in a[]]) echo 2;; esac; case - in [a-]) echo 3;; esac; case x in [!]]) echo 4;; esac; case '[' in [) echo 5;; esac; case '[a' in [a) echo 6;; esac; case a-c in a[-]c) echo 7;; esac
#### character classes
for c in a B 3 ' ' '	' . _; do for k in 1; do case $c in [[:alpha:]]) printf a;; esac; case $c in [[:lower:]]) printf l;; esac; case $c in [[:alnum:]_]) printf n;; esac; case $c in [[:space:]]) printf s;; esac; case $c in [[:blank:]]) printf b;; esac; case $c in [[:punct:]]) printf p;; esac; case $c in [[:xdigit:]]) printf x;; esac; case $c in [![:print:]]) printf P;; esac; done; echo; done
#### quoted patterns
x='*'; case 'a*b' in a"*"b) echo 1;; esac; case axb in a"$x"b) echo no;; a${x}b) echo 2;; esac; case '?' in \?) echo 3;; esac; case x in '?') echo no;; *) echo 4;; esac; case '[a]' in '[a]') echo 5;; esac; case a in "["a"]") echo no;; [a"-"z]) echo 6;; esac; case b in [a"-"z]) echo no;; *) echo 7;; esac
#### alternatives
for w in a b c d; do case $w in a|b) echo ab;; (c|x) echo c;; *) echo other; esac; done
#### pattern from a variable
p='a*|b'; case abc in $p) echo no;; *) echo alternation is literal;; esac; p='a*'; case abc in $p) echo yes;; esac; case 'a*' in "$p") echo literal;; esac
#### many stars
case aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac in *a*a*a*a*a*a*a*b) echo no;; *a*a*a*a*c) echo yes;; esac
#### files by pattern
printf '<%s>' *; echo; printf '<%s>' *.txt; echo; printf '<%s>' ?.txt [ab].txt [!a].txt; echo; printf '<%s>' d*/* */x; echo
#### nothing matches
printf '<%s>' *.none [z]* no/* "a"*"q"; echo
#### hidden files
printf '<%s>' .h* .hid?en; echo; printf '<%s>' *hidden [.]hidden; echo
#### quoted patterns match nothing
printf '<%s>' "*" '*.txt' \*.txt "*".txt; echo
#### partly quoted patterns
printf '<%s>' "a".* a'.t'?t 'sp '*; echo
#### patterns from variables
x='*.txt'; printf '<%s>' $x; echo; printf '<%s>' "$x"; echo; for f in $x; do printf '<%s>' "$f"; done; echo
#### patterns with slashes
printf '<%s>' ./*.txt dir/*.sh ./dir/../*.txt */ d*/ dir//x* /dev/nul[l]; echo
#### patterns through links
printf '<%s>' lnkdir/* l*/x; echo; printf '<%s>' dang*; echo
#### no patterns in assignments
x=*.txt; export x; echo "$x"; y=a* export z=b*; echo "$y $z"
#### noglob
set -f; printf '<%s>' *.txt; set +f; printf '<%s>' *.txt; echo
#### brackets that are words
[ -f a.txt ] && echo yes; x=[; echo $x ]; echo a[b
#### order is bytewise
printf '<%s>' order/*; echo
