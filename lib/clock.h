#ifndef DISCO_CLOCK_H
#define DISCO_CLOCK_H

#include "table.h"

/* This moment, on both clocks. */
struct now clock_now(void);

/* CLOCK_MONOTONIC, for deadlines and ages. */
int64_t clock_mono_ms(void);

/* CLOCK_BOOTTIME less CLOCK_MONOTONIC: how long this machine has been suspended, in milliseconds.
 */
int64_t clock_suspended_ms(void);

#endif
