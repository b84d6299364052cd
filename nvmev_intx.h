/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interrupt line of the function (INTA): an irq of its own.
 */
#ifndef _NVMEV_INTX_H
#define _NVMEV_INTX_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct fwnode_handle;
struct irq_data;
struct irq_domain;

/**
 * struct nvmev_intx - the interrupt line
 * @fwnode: names the domain
 * @domain: on top of the CPUs' vectors
 * @virq: its one irq, 0 when there is no line
 * @irq_data: what the kernel knows the irq by
 * @lock: protects @up
 * @up: a driver has requested the irq
 */
struct nvmev_intx {
	struct fwnode_handle *fwnode;
	struct irq_domain *domain;
	unsigned int virq;
	struct irq_data *irq_data;
	raw_spinlock_t lock; /* @up */
	bool up;
};

int nvmev_intx_create(struct nvmev_intx *intx, int id);
void nvmev_intx_destroy(struct nvmev_intx *intx);
bool nvmev_intx_raise(struct nvmev_intx *intx);

#endif /* _NVMEV_INTX_H */
