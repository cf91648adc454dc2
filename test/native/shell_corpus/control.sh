#### if
if true; then echo 1; fi; if false; then echo no; else echo 2; fi; if false; then echo no; elif true; then echo 3; else echo no; fi
if false
then echo no
elif false
then echo no
else
  echo 4
fi; if false; then :; fi; echo $?
#### status of conditions [unsupported]
if (exit 3) 2>/dev/null; then :; fi
#### status after constructs
false; if false; then :; fi; echo $?; false; case a in b) ;; esac; echo $?; false; case a in a) ;; esac; echo $?; false; for i in; do :; done; echo $?; false; while false; do :; done; echo $?; for i in 1; do false; done; echo $?
#### status seen inside
false; case a in a) echo $?;; esac; false; for i in 1; do echo $?; done; false; { echo $?; }; false; if echo $?; then :; fi
#### and, or, not
true && echo 1; false && echo no; false || echo 2; true || echo no; ! false && echo 3; ! true || echo no; true && false || echo 4; echo $?
false &&
echo no ||

echo 5
! true; echo $?; ! false; echo $?
#### for
for i in 1 2 3; do printf '%s ' $i; done; echo; for i in; do echo no; done; for i in "$@"; do printf '<%s>' "$i"; done; echo; for i; do printf '<%s>' "$i"; done; echo; for i do printf '<%s>' "$i"; done; echo
for i
do printf '<%s>' "$i"; done; for i
in a b
do
  echo "$i"
done; echo $i; for i;
do printf '<%s>' "$i"
done; echo
#### for keeps going when the parameters change
for i; do shift; echo "$i $#"; done; set -- a b; for i; do set -- x y z; echo $i; done; echo $#
#### while and until
i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done; until [ $i -eq 0 ]; do i=$((i-1)); done; echo $i
while false; do :
done; echo $?
#### break and continue
for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done; while :; do break; echo no; done; echo $?; for i in a b; do for j in 1 2; do [ $j = 2 ] && continue 2; echo $i$j; done; echo no; done; for i in a b; do for j in 1 2; do break 2; done; echo no; done; for i in a b; do break 7; done; echo $i
#### break in the condition [unsupported]
while break; do echo no; done; echo $?; i=0; while i=$((i+1)); [ $i = 1 ] && continue; [ $i -lt 4 ]; do echo $i; done; until continue 1; break; do :; done
#### break through if, case, braces, eval
for i in 1 2 3; do if true; then case $i in 2) { eval break; };; esac; fi; echo $i; done
#### braces
{ echo a; echo b; }; { echo c
}; { { echo d; }; }; if { false; true; }; then echo e; fi
#### case forms
case a in a) echo 1; echo 2;; b) echo no; esac; case b in (a) echo no;; (b) echo 3 ;; esac; case c in a) ;; c) esac; case "" in '') echo 4;; esac; case x in
  # comment
  x)
    echo 5

    ;;
  y) echo no ;;

esac; case abc in a*|b*) echo 6;; *) echo no; esac
case z in *) ;; esac; echo $?
#### case with expansions
x=b; y='*'; case $x in $FOO) echo no;; "$x") echo 1;; esac; case $x$x in bb) echo 2;; esac; case "$y" in "*") echo 3;; esac
#### nested everything
for i in 1 2; do if [ $i = 1 ]; then while true; do case $i in 1) echo one; break;; esac; done; else { until false; do echo two; break; done; }; fi; done
#### exit [raw]
echo before; exit 3; echo no
echo 'unterminated
#### exit takes the last status [raw]
false; exit
#### exit status is eight bits [raw]
exit 300
#### status of the last command [raw]
true; false
#### empty script [raw]
#### only comments [raw]
# nothing

   # here
#### status of an empty script after exit in a list [raw]
true && exit 4 || exit 5
#### garbage after exit is never read [raw]
exit 7
if ( ; fi $(
#### exec with arguments [raw]
echo before >&2; exec probe a 'b c' '' "$@" *.txt; echo no
#### exec in the middle [raw]
if true; then for i in 1 2; do case $i in 2) exec probe "$i";; esac; done; fi; echo no
#### exec without a command does nothing
exec; echo $?
#### unsupported things in branches not taken
if false; then x=$(date); y=`date`; ls | wc; (cd /; ls); sleep 1 & trap : 1; cat <<E
text $x
E
fi; false && cat </etc/passwd; case a in b) ls >out;; esac; f() { g "$(h)"; }; echo ok
#### here-documents are stepped over
if false; then cat <<-'E' <<F; fi; echo after
	$(
	E
text
F
echo next
