/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For probes at the entry of a function: its call returns at once.
 */
#ifndef _NVMEV_FAULT_SKIP_H
#define _NVMEV_FAULT_SKIP_H

#include <linux/linkage.h>
#include <linux/ptrace.h>

/* A place to go on at: returns to who has called */
asmlinkage void nvmev_fault_return(void);
asm(".pushsection .text\n"
	".type nvmev_fault_return, @function\n"
	".globl nvmev_fault_return\n"
	"nvmev_fault_return:\n"
	ASM_RET
	".size nvmev_fault_return, .-nvmev_fault_return\n"
	".popsection\n");

/* Who has called the function that is at its entry */
static inline unsigned long nvmev_fault_caller(struct pt_regs *regs)
{
	return *(unsigned long *)regs->sp;
}

/* For the handler before the probe to return: the call returns @value */
static inline int nvmev_fault_skip(struct pt_regs *regs, unsigned long value)
{
	regs->ax = value;
	regs->ip = (unsigned long)nvmev_fault_return;
	return 1;
}

#endif /* _NVMEV_FAULT_SKIP_H */
