#ifndef DISCO_TURNS_H
#define DISCO_TURNS_H

/*
 * Asks the kernel for short turns of the processor: whoever does little at a
 * time gets one the sooner when there is something to do, before those that
 * compute, and in all no more than without.  Kernels before 6.12, and policies
 * other than the usual, have no such thing, and then nothing is changed.
 */
void turns_short(void);

/* Turns as they are by default, in a child that does other work. */
void turns_usual(void);

#endif
