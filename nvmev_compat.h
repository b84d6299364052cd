/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between kernel versions, each with the version in which it
 * came. No other file asks for the version.
 */
#ifndef _NVMEV_COMPAT_H
#define _NVMEV_COMPAT_H

#include <linux/proc_fs.h>
#include <linux/sizes.h>
#include <linux/types.h>
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

/*
 * Memory hot-remove. 5.8 brought offline_and_remove_memory(), 5.10 gave
 * add_memory() its flags, 5.15 took the node from the former.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 8, 0)
#define NVMEV_HOTREMOVE_LACKS	"is older than Linux 5.8"
#elif !defined(CONFIG_MEMORY_HOTREMOVE)
#define NVMEV_HOTREMOVE_LACKS	"was built without CONFIG_MEMORY_HOTREMOVE"
#endif

#ifdef NVMEV_HOTREMOVE_LACKS
static inline const char *nvmev_hotremove_lacks(void)
{
	return NVMEV_HOTREMOVE_LACKS;
}

static inline u64 nvmev_hotremove_block_bytes(void)
{
	return 128 * SZ_1M;
}

static inline int nvmev_hotremove(int node, u64 start, u64 size)
{
	return -EOPNOTSUPP;
}

static inline int nvmev_hotadd(int node, u64 start, u64 size)
{
	return -EOPNOTSUPP;
}
#else
#include <linux/memory.h>
#include <linux/memory_hotplug.h>

static inline const char *nvmev_hotremove_lacks(void)
{
	return NULL;
}

static inline u64 nvmev_hotremove_block_bytes(void)
{
	return memory_block_size_bytes();
}

static inline int nvmev_hotremove(int node, u64 start, u64 size)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 15, 0)
	return offline_and_remove_memory(node, start, size);
#else
	return offline_and_remove_memory(start, size);
#endif
}

static inline int nvmev_hotadd(int node, u64 start, u64 size)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
	return add_memory(node, start, size);
#else
	return add_memory(node, start, size, MHP_NONE);
#endif
}
#endif

#endif /* _NVMEV_COMPAT_H */
