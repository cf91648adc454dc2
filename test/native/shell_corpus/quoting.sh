#### plain words and comments
echo one two   three # comment
# a whole line
echo a#b "#" \# '#'x  #
#### single quotes
echo 'a  b' 'c"d' 'e\f' '$x' '`' 'two
lines'
#### double quotes
x=v; echo "a  b" "c'd" "e\f" "$x" "\$x" "\"" "a\\b" "\`" "two
lines" "joined \
here"
#### adjacent quotes
x=v; printf '<%s>\n' a'b'"c$x"d\ e"" ''"" "a"'b'c
#### backslashes
printf '<%s>\n' a\ b \\ \' \" \$x \a \* \~ \
  after\
word
#### empty words
printf '<%s>\n' '' "" x'' ''x "$EMPTY" ''$EMPTY $EMPTY
#### quotes inside braces inside quotes
x='a b'; printf '<%s>\n' "${x:-"q  r"}" "${nope:-"q  r"}" "${nope:-'single'}" "${nope:-a\}b}" ${nope:-'p  q'} ${nope:-"p  q" r}
#### a quoted brace does not close
printf '<%s>\n' "${nope:-"a}b"}" ${nope:-'a}b'} ${nope:-"a}b"} ${nope:-a\}b}
#### dollar that is only a dollar
echo $ "$" a$ "a$ b" $% "$%" $/x '$'y
#### line continuation everywhere
ec\
ho con\
tin"u\
ed" ; FOO\
BAR=1 ; if tr\
ue ; then echo $FO\
OBAR ; fi
#### continuation in operators
true &\
& echo and; false |\
| echo or; case x in x) echo semi ;\
; esac
#### no continuation in comments or single quotes
echo a # comment \
echo b 'x\
y'
#### tabs and carriage returns
printf '<%s>' a	b; printf '<%s>\n' c
#### a backslash before other characters in double quotes stays
printf '%s\n' "\a\n\ \x\'\*\#"
#### reserved words as arguments
echo if then else fi for while do done case esac { } ! in
#### quoted reserved words are no reserved words
i='if'; printf '<%s>\n' "$i" 'then' "fi" do\ne
#### semicolons and blank lines


echo a;echo b ; echo c


