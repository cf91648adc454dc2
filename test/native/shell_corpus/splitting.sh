#### default splitting
x='  a	b
 c  '; printf '<%s>' $x; echo; printf '<%s>' "$x"; echo; printf '<%s>' -$x-; echo
#### splitting next to literals
x=' a b '; printf '<%s>' p$x"q"$x; echo; printf '<%s>' $x$x; echo; printf '<%s>' ""$x""; echo; printf '<%s>' ""$x; echo
#### colons
IFS=:; x=a:b::c:; printf '<%s>' $x; echo; x=:a; printf '<%s>' $x; echo; x=:; printf '<%s>' $x; echo; x=::; printf '<%s>' $x; echo
#### a trailing separator before quotes
IFS=:; x=a:; printf '<%s>' $x""; echo; printf '<%s>' $x"b"; echo; printf '<%s>' $x$x; echo
#### colons and blanks together
IFS=' :'; x=' a : b  c: :d '; printf '<%s>' $x; echo; x=' : '; printf '<%s>' $x; echo; x='a :: b'; printf '<%s>' $x; echo
#### IFS null
IFS=; x=' a b '; printf '<%s>' $x; echo; set -- $EMPTY; echo $#
#### IFS unset
IFS=,; unset IFS; x='a,b c'; printf '<%s>' $x; echo
#### literals are not split
IFS=:; printf '<%s>' a:b "a:b" x:$EMPTY; echo
#### splitting in for
IFS=,; x=a,b,,c; for i in $x "$x" d,e; do printf '<%s>' "$i"; done; echo
#### PATH walked
p=/bin::/usr/bin:; IFS=:; for d in $p; do printf '<%s>' "${d:-.}"; done; unset IFS; echo
#### no splitting in case, assignment, redirection
IFS=:; x=a:b; case $x in a:b) echo whole;; esac; y=$x; echo "$y" >&2
#### letters as separators
IFS=xb; v=axbxc; printf '<%s>' $v; echo; IFS='x '; v='a x b  x'; printf '<%s>' $v; echo
#### digits as separators
IFS=1; printf '<%s>' $((2110)) "$((2110))"; echo
#### fields of operators
x='a b'; printf '<%s>' ${x#a} ${x:+$x $x} ${u-$x} ${x%b}z; echo
