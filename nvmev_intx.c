// SPDX-License-Identifier: GPL-2.0
/*
 * The interrupt line of the function (INTA), for hosts without MSI.
 *
 * No wire leads from a virtual bus to an I/O APIC. So the line is an irq of
 * its own, made of a vector of the CPUs as an MSI is: raising it sends the real
 * vector to the real CPU, with the affinity and the accounting of any irq.
 * That is an edge; who raises it makes a level of it, by raising it again as
 * long as the line is asserted.
 *
 * nvmev_intx.lock is taken under the irq's own lock, and under nvmev_pci.lock.
 */
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/kernel.h>
#include <linux/numa.h>
#include <asm/hw_irq.h>
#include <asm/irqdomain.h>

#include "nvmev_intx.h"
#include "nvmev_compat.h"

static int nvmev_intx_retrigger(struct irq_data *irq_data)
{
	struct irq_data *parent = irq_data->parent_data;

	return parent->chip->irq_retrigger(parent);
}

static void nvmev_intx_set_up(struct irq_data *irq_data, bool up)
{
	struct nvmev_intx *intx = irq_data->domain->host_data;
	unsigned long flags;

	raw_spin_lock_irqsave(&intx->lock, flags);
	intx->up = up;
	raw_spin_unlock_irqrestore(&intx->lock, flags);
}

static unsigned int nvmev_intx_startup(struct irq_data *irq_data)
{
	nvmev_intx_set_up(irq_data, true);
	return 0;
}

static void nvmev_intx_shutdown(struct irq_data *irq_data)
{
	/* The vector is given back afterwards, and must not be sent any more */
	nvmev_intx_set_up(irq_data, false);
}

/*
 * An irq that is masked meanwhile stays pending in its descriptor; that the
 * kernel can call these is all that it needs.
 */
static void nvmev_intx_mask(struct irq_data *irq_data)
{
}

static struct irq_chip nvmev_intx_chip = {
	.name = "nvmev-INTx",
	.irq_startup = nvmev_intx_startup,
	.irq_shutdown = nvmev_intx_shutdown,
	.irq_mask = nvmev_intx_mask,
	.irq_unmask = nvmev_intx_mask,
	.irq_ack = irq_chip_ack_parent,
	.irq_set_affinity = irq_chip_set_affinity_parent,
	.irq_retrigger = nvmev_intx_retrigger,
	.flags = IRQCHIP_SKIP_SET_WAKE,
};

static int nvmev_intx_alloc(struct irq_domain *domain, unsigned int virq,
			    unsigned int nr, void *arg)
{
	/* Of no particular kind: any vector will do */
	struct irq_alloc_info info = { };
	int err;

	err = irq_domain_alloc_irqs_parent(domain, virq, nr, &info);
	if (err)
		return err;
	irq_domain_set_info(domain, virq, 0, &nvmev_intx_chip, NULL,
			    handle_edge_irq, NULL, "level");
	return 0;
}

static const struct irq_domain_ops nvmev_intx_ops = {
	.alloc = nvmev_intx_alloc,
	.free = irq_domain_free_irqs_common,
};

/**
 * nvmev_intx_create() - make the irq
 * @intx: what to initialise
 * @id: no other line's
 *
 * Context: load, may sleep.
 * Return: 0 or -ENOMEM.
 */
int nvmev_intx_create(struct nvmev_intx *intx, int id)
{
	struct irq_fwspec spec = { .param_count = 1 };

	raw_spin_lock_init(&intx->lock);
	intx->fwnode = irq_domain_alloc_named_id_fwnode("nvmev-INTx", id);
	if (!intx->fwnode)
		return -ENOMEM;
	intx->domain = irq_domain_create_hierarchy(x86_vector_domain, 0, 1,
						   intx->fwnode,
						   &nvmev_intx_ops, intx);
	if (!intx->domain)
		goto free_fwnode;
	spec.fwnode = intx->fwnode;
	intx->virq = irq_create_fwspec_mapping(&spec);
	if (!intx->virq)
		goto remove_domain;
	intx->irq_data = irq_get_irq_data(intx->virq);
	return 0;

remove_domain:
	irq_domain_remove(intx->domain);
	intx->domain = NULL;
free_fwnode:
	irq_domain_free_fwnode(intx->fwnode);
	intx->fwnode = NULL;
	return -ENOMEM;
}

/**
 * nvmev_intx_destroy() - give the irq back
 * @intx: the line, requested by nobody any more; may be destroyed twice
 */
void nvmev_intx_destroy(struct nvmev_intx *intx)
{
	if (!intx->virq)
		return;
	irq_dispose_mapping(intx->virq);
	irq_domain_remove(intx->domain);
	irq_domain_free_fwnode(intx->fwnode);
	intx->virq = 0;
}

/**
 * nvmev_intx_raise() - send the interrupt
 * @intx: the line
 *
 * Context: any.
 * Return: false when no driver has requested the irq, and nothing was sent.
 */
bool nvmev_intx_raise(struct nvmev_intx *intx)
{
	unsigned long flags;
	bool up;

	if (!intx->virq)
		return false;
	raw_spin_lock_irqsave(&intx->lock, flags);
	up = intx->up;
	if (up)
		nvmev_intx_retrigger(intx->irq_data);
	raw_spin_unlock_irqrestore(&intx->lock, flags);
	return up;
}
