set pagination off
set confirm off
set style enabled off
set remotetimeout 60
target remote :PORT
echo # 1 core 1 before its launch\n
info threads
thread 2
p/x $lr
monitor cost
monitor cycles
thread 1
break main
continue
info threads
echo # 2 launched\n
tbreak core1_main
continue
info threads
bt 1
p/x *(unsigned *)0xd0000000
thread 1
p/x *(unsigned *)0xd0000000
bt 1
monitor cycles
thread 2
monitor cycles
monitor cost
echo # 3 a handler of core 1\n
break IRQ16_Handler
continue
p $xpsr & 0x1ff
info threads
bt
monitor cost
echo # 4 steps of core 1, and of one alone\n
stepi
stepi
set scheduler-locking on
stepi
monitor cycles
thread 1
stepi
stepi
monitor cycles
set scheduler-locking off
thread 2
echo # 5 what both write\n
delete
watch shared
continue
continue
info threads
p by
continue
p by
delete
echo # 6 the same function, on both\n
break add
continue
info threads
continue
continue
p core
monitor mark
continue
p core
monitor cost
echo # 7 back, on both\n
reverse-stepi
reverse-continue
p core
info threads
continue
p core
thread 1
reverse-stepi
stepi
echo # 8 registers of core 1\n
delete
tbreak IRQ16_Handler
continue
p $control
p $msp == $sp
set $r5 = 0x12345678
thread 1
p $r5 == 0x12345678
thread 2
p/x $r5
set var by[1] = 30
echo # 9 away, and again\n
detach
target remote :PORT
info threads
thread 2
p by
continue
monitor cycles
kill
