set pagination off
set confirm off
set style enabled off
set remotetimeout 60
target remote :PORT
echo # 1 breakpoints in handlers\n
break main
continue
info symbol $pc
monitor cycles
tbreak IRQ0_Handler
continue
p $xpsr & 0x1ff
p $primask
bt
monitor cost
stepi
stepi
monitor cycles
echo # 2 a watchpoint\n
watch counts[1]
continue
p counts
delete
echo # 3 back and forth\n
monitor mark
stepi
stepi
stepi
monitor cost
reverse-stepi
reverse-stepi
reverse-stepi
monitor cost
break IRQ1_Handler
continue
p counts
continue
p counts
reverse-continue
p counts
delete
echo # 4 memory and registers\n
p/x *(unsigned *)0xe000ed00
p *(unsigned *)0x40058008 & 0xff
set var counts[0] = 3
p counts
set $r5 = 0x12345678
p/x $r5
x/4xb &counts[0]
echo # 5 away, and again\n
detach
target remote :PORT
p counts
echo # 6 cycles of each step\n
monitor trace on
stepi
stepi
monitor trace off
monitor cycle
echo # 7 from the beginning\n
monitor reset
maintenance flush register-cache
info symbol $pc
tbreak put
continue
p $lr != 0
finish
echo # 8 to the end\n
continue
monitor cycles
kill
