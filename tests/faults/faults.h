/*
 * faults.h: a disk that fails on orders: stands before the calls by which LMDB writes, and makes some of them fail.
 *
 * Calls on the store's data file (pwrite, writev, fdatasync … see faults.c) are counted. The ones from number `first` on,
 * `count` of them, fail as `kind` says; all others go through.
 *
 * Two ways to use it: a test program links the library before libc and sets what faults_control gives; or any program runs
 * with it in LD_PRELOAD and with FAULTS_CONTROL naming a file that holds a struct faults, which the test maps and sets.
 * Threads: any; the numbers are atomics.
 */
#ifndef SLUICE_TESTS_FAULTS_H
#define SLUICE_TESTS_FAULTS_H

#include <stdatomic.h>
#include <stdint.h>

enum fault_kind {
	FAULT_EIO = 1, /* nothing is written */
	FAULT_ENOSPC = 2, /* nothing is written */
	FAULT_LATE_EIO =
		3, /* by the first call all is written, and an error is told all the same; then as EIO */
	FAULT_SHORT = 4, /* half of it is written */
	FAULT_EINTR = 5, /* nothing is written */
};

struct faults {
	_Atomic uint32_t first; /* 1: the next call; 0: none fails */
	_Atomic uint32_t count;
	_Atomic uint32_t kind;
	_Atomic uint32_t seen; /* calls */
	_Atomic uint32_t hit; /* calls that failed */
	_Atomic uint64_t disk_bytes, free_bytes; /* what statvfs tells; disk_bytes 0: the truth */
};

struct faults *faults_control(void);

#endif
