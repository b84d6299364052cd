/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between kernel versions, each with the version in which it
 * came. No other file asks for the version.
 */
#ifndef _NVMEV_COMPAT_H
#define _NVMEV_COMPAT_H

#include <linux/proc_fs.h>
#include <linux/version.h>

/* 6.12 moved it */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

/* 5.17 renamed it */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 17, 0)
#define pde_data(inode)	PDE_DATA(inode)
#endif

#endif /* _NVMEV_COMPAT_H */
