// SPDX-License-Identifier: GPL-2.0
/*
 * The PCI side: a root bus of its own with one function on it, its
 * configuration space, its interrupts, and the way from the host's DMA
 * addresses to memory.
 *
 * Configuration accesses come from any context. nvmev_pci.lock guards the
 * configuration image and all that interrupts need; it is a raw spinlock
 * because the PCI core may hold one around an access.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/ioport.h>
#include <linux/iommu.h>
#include <linux/irq.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/msi.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <asm/pci.h>
#include <xen/xen.h>

#include "nvmev.h"
#include "nvmev_intx.h"

/* Unregistered on purpose: no driver has quirks for it */
#define NVMEV_PCI_VENDOR_ID	0x6e76
#define NVMEV_PCI_DEVICE_ID	0x6d65

/*
 * Above 0xffff no IOMMU driver is told of the bus. The drivers keep only the
 * low 16 bits, so these must not be those of a domain that exists either.
 */
#define NVMEV_PCI_DOMAIN_FIRST	0x1fffe
#define NVMEV_PCI_DOMAIN_LAST	0x10000

#define NVMEV_CFG_SIZE		PCI_CFG_SPACE_SIZE
#define NVMEV_CFG_PM		0x40
#define NVMEV_CFG_MSIX		0x50
#define NVMEV_CFG_PCIE		0x60
#define NVMEV_CFG_MSI		0xa0

/*
 * An asserted line interrupts again when the host has not seen to it in this
 * time. A handler takes all completions, so that this is for what it missed.
 */
#define NVMEV_LINE_REPEAT_NS	NSEC_PER_MSEC

/* How the host has the function interrupt it */
enum nvmev_irq_mode {
	NVMEV_IRQ_LINE,
	NVMEV_IRQ_MSI,
	NVMEV_IRQ_MSIX,
};

/**
 * struct nvmev_vector - an interrupt vector
 * @irq_data: what the kernel knows it by, good while @generation is current
 * @generation: the nvmev_pci.generation that it was looked up in
 */
struct nvmev_vector {
	struct irq_data *irq_data;
	unsigned int generation;
};

/**
 * struct nvmev_pci - the bus and its function
 * @dev: the device
 * @sysdata: what x86 keeps for each root bus
 * @window: the BAR's place in the resource tree, not BUSY for its mappings
 * @busn: the one bus number
 * @bus: the root bus
 * @notifier: follows the pci_dev through remove and rescan
 * @intx: the interrupt line
 * @lock: protects the fields below
 * @config: the configuration space
 * @writable: its bits that the host may change
 * @pdev: the function as the kernel knows it, NULL when removed. The threads
 *        read it unlocked: it is put only after the controller was reset.
 * @mappings: what programs' mappings of the BAR belong to, or NULL; load and
 *            unload
 * @mode: which kind of interrupt is enabled
 * @line_ns: when the line last interrupted
 * @generation: incremented whenever MSI or MSI-X is switched on or off
 * @pending: vectors that were raised while they could not be delivered
 * @vectors: the interrupt vectors
 */
struct nvmev_pci {
	struct nvmev_dev *dev;
	struct pci_sysdata sysdata;
	struct resource window;
	struct resource busn;
	struct pci_bus *bus;
	struct notifier_block notifier;
	struct nvmev_intx intx;

	raw_spinlock_t lock;
	u8 config[NVMEV_CFG_SIZE];
	u8 writable[NVMEV_CFG_SIZE];
	struct pci_dev *pdev;
	struct address_space *mappings;
	enum nvmev_irq_mode mode;
	u64 line_ns;
	unsigned int generation;
	DECLARE_BITMAP(pending, NVMEV_MAX_VECTORS);
	struct nvmev_vector vectors[NVMEV_MAX_VECTORS];
};

static struct nvmev_pci *nvmev_pci_of_bus(struct pci_bus *bus)
{
	return container_of(bus->sysdata, struct nvmev_pci, sysdata);
}

/* --- interrupts ---------------------------------------------------------- */

static u16 nvmev_msix_control(struct nvmev_pci *pci)
{
	return get_unaligned_le16(pci->config + NVMEV_CFG_MSIX +
				  PCI_MSIX_FLAGS);
}

static u16 nvmev_msi_control(struct nvmev_pci *pci)
{
	return get_unaligned_le16(pci->config + NVMEV_CFG_MSI + PCI_MSI_FLAGS);
}

/*
 * Which interrupt a vector is. The host may have been given fewer messages
 * than the device could send, and a line has but one.
 */
static u16 nvmev_irq_message(struct nvmev_pci *pci, u16 vector)
{
	unsigned int shift;

	if (likely(pci->mode == NVMEV_IRQ_MSIX))
		return vector;
	if (pci->mode == NVMEV_IRQ_LINE)
		return 0;
	shift = FIELD_GET(PCI_MSI_FLAGS_QSIZE, nvmev_msi_control(pci));
	return vector & (min_t(u16, 1 << shift, NVMEV_MAX_MSI) - 1);
}

/* Whether a message, or the line, is masked; INTMS is not for MSI-X (3.1.3) */
static bool nvmev_irq_masked(struct nvmev_pci *pci, u16 message)
{
	const __le32 *entry = pci->dev->bar + NVMEV_BAR_MSIX_TABLE +
			      message * PCI_MSIX_ENTRY_SIZE;

	switch (pci->mode) {
	case NVMEV_IRQ_MSIX:
		return nvmev_msix_control(pci) & PCI_MSIX_FLAGS_MASKALL ||
		       le32_to_cpu(READ_ONCE(entry[PCI_MSIX_ENTRY_VECTOR_CTRL /
						   sizeof(*entry)])) &
		       PCI_MSIX_ENTRY_CTRL_MASKBIT;
	case NVMEV_IRQ_MSI:
		return (get_unaligned_le32(pci->config + NVMEV_CFG_MSI +
					   PCI_MSI_MASK_64) |
			nvmev_ctrl_intms(pci->dev)) & BIT(message);
	default:
		return get_unaligned_le16(pci->config + PCI_COMMAND) &
		       PCI_COMMAND_INTX_DISABLE ||
		       nvmev_ctrl_intms(pci->dev) & BIT(0);
	}
}

/* A message is DMA, too: without it, as while masked, it stays pending */
static bool nvmev_message_held(struct nvmev_pci *pci, u16 message)
{
	return !pci->dev->dma || nvmev_irq_masked(pci, message);
}

static void nvmev_irq_set_pending(struct nvmev_pci *pci, u16 message,
				  bool pending)
{
	u8 *bits = pci->dev->bar + NVMEV_BAR_MSIX_PBA;
	u8 bit = 1 << message % 8;

	lockdep_assert_held(&pci->lock);
	__assign_bit(message, pci->pending, pending);
	if (pci->mode == NVMEV_IRQ_LINE)
		return;
	if (pci->mode == NVMEV_IRQ_MSI)
		bits = pci->config + NVMEV_CFG_MSI + PCI_MSI_PENDING_64;
	bits += message / 8;
	WRITE_ONCE(*bits, pending ? *bits | bit : *bits & ~bit);
}

/* Interrupt Status tells of the line also while it is masked */
static void nvmev_line_set_status(struct nvmev_pci *pci, bool asserted)
{
	u8 *status = pci->config + PCI_STATUS;

	lockdep_assert_held(&pci->lock);
	*status &= ~PCI_STATUS_INTERRUPT;
	if (asserted)
		*status |= PCI_STATUS_INTERRUPT;
}

/* It is kept, and the controller thread looks for when it can be delivered */
static void nvmev_irq_keep(struct nvmev_pci *pci, u16 message)
{
	nvmev_irq_set_pending(pci, message, true);
	wake_up_process(pci->dev->ctrl_task);
}

static void nvmev_line_raise(struct nvmev_pci *pci)
{
	nvmev_line_set_status(pci, true);
	if (nvmev_irq_masked(pci, 0)) {
		nvmev_irq_keep(pci, 0);
	} else if (nvmev_intx_raise(&pci->intx)) {
		nvmev_irq_set_pending(pci, 0, false);
		pci->line_ns = nvmev_clock_ns();
	}
}

/*
 * Looks up the kernel's side of a vector. pci_irq_vector() may take a mutex,
 * so this happens once for each time that the host sets up its interrupts,
 * and by the thread that first has one to raise.
 */
static bool nvmev_vector_resolve(struct nvmev_pci *pci, u16 vector)
{
	struct nvmev_vector *entry = &pci->vectors[vector];
	struct irq_data *irq_data = NULL;
	unsigned int generation;
	struct pci_dev *pdev;
	unsigned long flags;
	int virq;

	raw_spin_lock_irqsave(&pci->lock, flags);
	pdev = pci->pdev ? pci_dev_get(pci->pdev) : NULL;
	generation = pci->generation;
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	if (!pdev)
		return false;

	/* Not those of the line, whatever the host may write to the function */
	virq = 0;
	if (pdev->msix_enabled || pdev->msi_enabled)
		virq = pci_irq_vector(pdev, vector);

	raw_spin_lock_irqsave(&pci->lock, flags);
	/* What was torn down meanwhile is not to be touched any more */
	if (virq > 0 && generation == pci->generation)
		irq_data = irq_get_irq_data(virq);
	if (irq_data) {
		entry->irq_data = irq_data;
		entry->generation = generation;
	}
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	pci_dev_put(pdev);
	return irq_data;
}

/* Raises a vector that is known; false when it has to be resolved first */
static bool nvmev_irq_try_raise(struct nvmev_pci *pci, u16 *vector)
{
	struct nvmev_vector *entry;
	bool known = true;
	unsigned long flags;

	raw_spin_lock_irqsave(&pci->lock, flags);
	*vector = nvmev_irq_message(pci, *vector);
	entry = &pci->vectors[*vector];
	if (unlikely(pci->mode == NVMEV_IRQ_LINE)) {
		nvmev_line_raise(pci);
	} else if (nvmev_message_held(pci, *vector)) {
		nvmev_irq_keep(pci, *vector);
	} else if (entry->generation != pci->generation) {
		known = false;
	} else {
		/*
		 * The real vector on the real CPU, with its affinity: what
		 * the message would have done. The host clears the enable bit,
		 * and waits for this lock, before it frees the irq.
		 */
		nvmev_irq_retrigger(entry->irq_data);
	}
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	return known;
}

/**
 * nvmev_irq_raise() - raise an interrupt vector
 * @dev: the device
 * @vector: up to nvmev_max_vector()
 *
 * Masked, or without Bus Master Enable, it stays pending, in the PBA as well,
 * until that has changed.
 *
 * Context: a worker or the controller thread; may sleep once after the host
 * has set up its interrupts anew.
 */
void nvmev_irq_raise(struct nvmev_dev *dev, u16 vector)
{
	struct nvmev_pci *pci = dev->pci;

	if (unlikely(!nvmev_irq_try_raise(pci, &vector)) &&
	    nvmev_vector_resolve(pci, vector))
		nvmev_irq_try_raise(pci, &vector);
}

/*
 * The line is a level: asserted as long as there are completions that the host
 * has not taken (7.5.1).
 */
static void nvmev_line_poll(struct nvmev_pci *pci)
{
	unsigned long flags;
	bool asserted;

	raw_spin_lock_irqsave(&pci->lock, flags);
	if (pci->mode != NVMEV_IRQ_LINE)
		goto unlock;
	/* With the lock, so as not to undo what a worker has just asserted */
	asserted = nvmev_ctrl_has_completions(pci->dev);
	nvmev_line_set_status(pci, asserted);
	if (!asserted)
		nvmev_irq_set_pending(pci, 0, false);
	else if (!nvmev_irq_masked(pci, 0) &&
		 (test_bit(0, pci->pending) ||
		  nvmev_clock_ns() - pci->line_ns >= NVMEV_LINE_REPEAT_NS))
		nvmev_line_raise(pci);
unlock:
	raw_spin_unlock_irqrestore(&pci->lock, flags);
}

/**
 * nvmev_irq_poll() - deliver what was pending and is so no longer
 * @dev: the device
 *
 * Unmasking is a plain write to memory: somebody has to look.
 *
 * Context: the controller thread.
 * Return: whether any vector was delivered.
 */
bool nvmev_irq_poll(struct nvmev_dev *dev)
{
	struct nvmev_pci *pci = dev->pci;
	unsigned int vector;
	bool worked = false;
	unsigned long flags;
	bool held;

	if (unlikely(READ_ONCE(pci->mode) == NVMEV_IRQ_LINE)) {
		nvmev_line_poll(pci);
		return false;
	}
	if (likely(bitmap_empty(pci->pending, NVMEV_MAX_VECTORS)))
		return false;

	for_each_set_bit(vector, pci->pending, NVMEV_MAX_VECTORS) {
		raw_spin_lock_irqsave(&pci->lock, flags);
		held = nvmev_message_held(pci, vector);
		if (!held)
			nvmev_irq_set_pending(pci, vector, false);
		raw_spin_unlock_irqrestore(&pci->lock, flags);
		if (!held) {
			nvmev_irq_raise(dev, vector);
			worked = true;
		}
	}
	return worked;
}

/* --- configuration space ------------------------------------------------- */

static void nvmev_cfg_set16(struct nvmev_pci *pci, unsigned int where,
			    u16 value, u16 writable)
{
	put_unaligned_le16(value, pci->config + where);
	put_unaligned_le16(writable, pci->writable + where);
}

static void nvmev_cfg_set32(struct nvmev_pci *pci, unsigned int where,
			    u32 value, u32 writable)
{
	put_unaligned_le32(value, pci->config + where);
	put_unaligned_le32(writable, pci->writable + where);
}

/* Appends a capability to the list */
static void nvmev_cfg_add_cap(struct nvmev_pci *pci, u8 where, u8 id)
{
	u8 last = PCI_CAPABILITY_LIST;

	while (pci->config[last])
		last = pci->config[last] + PCI_CAP_LIST_NEXT;
	pci->config[last] = where;
	pci->config[where + PCI_CAP_LIST_ID] = id;
}

static void nvmev_cfg_add_msi(struct nvmev_pci *pci)
{
	unsigned int messages = min(pci->dev->config.queues + 1,
				    (u32)NVMEV_MAX_MSI);

	nvmev_cfg_add_cap(pci, NVMEV_CFG_MSI, PCI_CAP_ID_MSI);
	nvmev_cfg_set16(pci, NVMEV_CFG_MSI + PCI_MSI_FLAGS,
			FIELD_PREP(PCI_MSI_FLAGS_QMASK,
				   order_base_2(messages)) |
			PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT,
			PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	nvmev_cfg_set32(pci, NVMEV_CFG_MSI + PCI_MSI_ADDRESS_LO, 0, ~3);
	nvmev_cfg_set32(pci, NVMEV_CFG_MSI + PCI_MSI_ADDRESS_HI, 0, ~0);
	nvmev_cfg_set16(pci, NVMEV_CFG_MSI + PCI_MSI_DATA_64, 0, ~0);
	nvmev_cfg_set32(pci, NVMEV_CFG_MSI + PCI_MSI_MASK_64, 0, ~0);
}

static void nvmev_cfg_add_msix(struct nvmev_pci *pci)
{
	unsigned int vectors = pci->dev->config.queues + 1;

	nvmev_cfg_add_cap(pci, NVMEV_CFG_MSIX, PCI_CAP_ID_MSIX);
	nvmev_cfg_set16(pci, NVMEV_CFG_MSIX + PCI_MSIX_FLAGS, vectors - 1,
			PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	nvmev_cfg_set32(pci, NVMEV_CFG_MSIX + PCI_MSIX_TABLE,
			NVMEV_BAR_MSIX_TABLE, 0);
	nvmev_cfg_set32(pci, NVMEV_CFG_MSIX + PCI_MSIX_PBA,
			NVMEV_BAR_MSIX_PBA, 0);
}

static void nvmev_cfg_init_caps(struct nvmev_pci *pci)
{
	/* Power management: D0 and D3hot, state kept in D3hot */
	nvmev_cfg_add_cap(pci, NVMEV_CFG_PM, PCI_CAP_ID_PM);
	nvmev_cfg_set16(pci, NVMEV_CFG_PM + PCI_PM_PMC, 3, 0);
	nvmev_cfg_set16(pci, NVMEV_CFG_PM + PCI_PM_CTRL,
			PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK);

	if (pci->dev->config.interrupts >= NVMEV_INTERRUPTS_MSI)
		nvmev_cfg_add_msi(pci);
	if (pci->dev->config.interrupts >= NVMEV_INTERRUPTS_MSIX)
		nvmev_cfg_add_msix(pci);

	/* An endpoint integrated in the root complex: there is no link */
	nvmev_cfg_add_cap(pci, NVMEV_CFG_PCIE, PCI_CAP_ID_EXP);
	nvmev_cfg_set16(pci, NVMEV_CFG_PCIE + PCI_EXP_FLAGS,
			2 | PCI_EXP_TYPE_RC_END << 4, 0);
	nvmev_cfg_set32(pci, NVMEV_CFG_PCIE + PCI_EXP_DEVCAP,
			PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR, 0);
	nvmev_cfg_set16(pci, NVMEV_CFG_PCIE + PCI_EXP_DEVCTL,
			PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
			PCI_EXP_DEVCTL_READRQ_512B,
			PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
			PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE |
			PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_PAYLOAD |
			PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ);
}

/* The configuration space as it is after a reset, the BAR at @start */
static void nvmev_cfg_init(struct nvmev_pci *pci, u64 start)
{
	memset(pci->config, 0, sizeof(pci->config));
	memset(pci->writable, 0, sizeof(pci->writable));

	nvmev_cfg_set16(pci, PCI_VENDOR_ID, NVMEV_PCI_VENDOR_ID, 0);
	nvmev_cfg_set16(pci, PCI_DEVICE_ID, NVMEV_PCI_DEVICE_ID, 0);
	nvmev_cfg_set16(pci, PCI_SUBSYSTEM_VENDOR_ID, NVMEV_PCI_VENDOR_ID, 0);
	nvmev_cfg_set16(pci, PCI_SUBSYSTEM_ID, NVMEV_PCI_DEVICE_ID, 0);
	nvmev_cfg_set32(pci, PCI_CLASS_REVISION,
			PCI_CLASS_STORAGE_EXPRESS << 8 | 1, 0);
	nvmev_cfg_set16(pci, PCI_COMMAND, 0, PCI_COMMAND_MEMORY |
			PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
			PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	nvmev_cfg_set16(pci, PCI_STATUS, PCI_STATUS_CAP_LIST, 0);
	pci->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	pci->writable[PCI_INTERRUPT_LINE] = 0xff;
	nvmev_cfg_set32(pci, PCI_BASE_ADDRESS_0, lower_32_bits(start) |
			PCI_BASE_ADDRESS_MEM_TYPE_64, -NVMEV_BAR_SIZE);
	nvmev_cfg_set32(pci, PCI_BASE_ADDRESS_1, upper_32_bits(start), ~0);
	pci->config[PCI_INTERRUPT_PIN] = pci->intx.virq ? 1 : 0;
	nvmev_cfg_init_caps(pci);
}

/* Every entry is masked after a reset */
static void nvmev_msix_init_table(__le32 *table)
{
	unsigned int vector;

	memset(table, 0, NVMEV_MAX_VECTORS * PCI_MSIX_ENTRY_SIZE);
	for (vector = 0; vector < NVMEV_MAX_VECTORS; vector++)
		table[(vector * PCI_MSIX_ENTRY_SIZE +
		       PCI_MSIX_ENTRY_VECTOR_CTRL) / sizeof(*table)] =
			cpu_to_le32(PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Another kind of interrupt is enabled, or the same one anew */
static void nvmev_irq_switch(struct nvmev_pci *pci, enum nvmev_irq_mode mode)
{
	lockdep_assert_held(&pci->lock);
	WRITE_ONCE(pci->mode, mode);
	pci->generation++;
	pci->line_ns = 0;
	bitmap_zero(pci->pending, NVMEV_MAX_VECTORS);
	memset(pci->dev->bar + NVMEV_BAR_MSIX_PBA, 0,
	       BITS_TO_LONGS(NVMEV_MAX_VECTORS) * sizeof(long));
	put_unaligned_le32(0, pci->config + NVMEV_CFG_MSI +
			   PCI_MSI_PENDING_64);
	nvmev_line_set_status(pci, false);
}

static enum nvmev_irq_mode nvmev_irq_enabled(struct nvmev_pci *pci)
{
	if (nvmev_msix_control(pci) & PCI_MSIX_FLAGS_ENABLE)
		return NVMEV_IRQ_MSIX;
	if (nvmev_msi_control(pci) & PCI_MSI_FLAGS_ENABLE)
		return NVMEV_IRQ_MSI;
	return NVMEV_IRQ_LINE;
}

static void nvmev_pci_wake_ctrl(struct nvmev_pci *pci)
{
	if (pci->dev->ctrl_task)
		wake_up_process(pci->dev->ctrl_task);
}

/* What follows from the configuration space as it is now */
static void nvmev_pci_update(struct nvmev_pci *pci)
{
	u16 command = get_unaligned_le16(pci->config + PCI_COMMAND);
	u16 pm = get_unaligned_le16(pci->config + NVMEV_CFG_PM + PCI_PM_CTRL);
	u64 bar = get_unaligned_le32(pci->config + PCI_BASE_ADDRESS_0) &
		  PCI_BASE_ADDRESS_MEM_MASK;
	bool awake = !(pm & PCI_PM_CTRL_STATE_MASK);

	lockdep_assert_held(&pci->lock);
	bar |= (u64)get_unaligned_le32(pci->config + PCI_BASE_ADDRESS_1) << 32;
	/*
	 * The memory is where it is: moved elsewhere, the BAR leads nowhere.
	 * The bridge's window has no other place for it.
	 */
	nvmev_ctrl_decode(pci->dev, awake && command & PCI_COMMAND_MEMORY &&
			  bar == pci->window.start);
	WRITE_ONCE(pci->dev->dma, awake && command & PCI_COMMAND_MASTER);
	if (nvmev_irq_enabled(pci) != pci->mode)
		nvmev_irq_switch(pci, nvmev_irq_enabled(pci));
	/* It may have been unmasked, or awake again */
	nvmev_pci_wake_ctrl(pci);
}

/*
 * Function level reset: the host gives it 100 ms (PCIe 6.6.2). The registers
 * are reset here and now, because the host may write to them soon after. Until
 * the controller thread has done the rest the function does not answer.
 */
static void nvmev_pci_flr(struct nvmev_pci *pci)
{
	lockdep_assert_held(&pci->lock);
	nvmev_cfg_init(pci, 0);
	nvmev_msix_init_table(pci->dev->bar + NVMEV_BAR_MSIX_TABLE);
	nvmev_msix_init_table(pci->dev->hidden_bar + NVMEV_BAR_MSIX_TABLE);
	nvmev_ctrl_reset_registers(pci->dev);
	nvmev_ctrl_event(pci->dev, NVMEV_EVENT_RESET);
	nvmev_irq_switch(pci, NVMEV_IRQ_LINE);
	nvmev_pci_update(pci);
}

/* Configuration Request Retry, as the root complex shows it to the host */
static bool nvmev_pci_retry(struct nvmev_pci *pci)
{
	return test_bit(NVMEV_EVENT_RESET, &pci->dev->events);
}

static int nvmev_pci_read(struct pci_bus *bus, unsigned int devfn, int where,
			  int size, u32 *val)
{
	struct nvmev_pci *pci = nvmev_pci_of_bus(bus);
	unsigned long flags;
	__le32 raw = 0;

	if (devfn || bus->number || where + size > NVMEV_CFG_SIZE) {
		*val = ~0;
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	raw_spin_lock_irqsave(&pci->lock, flags);
	if (unlikely(nvmev_pci_retry(pci)))
		raw = cpu_to_le32(~0);
	else
		memcpy(&raw, pci->config + where, size);
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	*val = le32_to_cpu(raw);
	return PCIBIOS_SUCCESSFUL;
}

/* D1 and D2 are optional: a write of those changes no state (PCI PM 3.2.4) */
static bool nvmev_pm_supported(u8 pmcsr)
{
	u8 state = pmcsr & PCI_PM_CTRL_STATE_MASK;

	/* D0 and D3hot */
	return !state || state == PCI_PM_CTRL_STATE_MASK;
}

static int nvmev_pci_write(struct pci_bus *bus, unsigned int devfn, int where,
			   int size, u32 val)
{
	const unsigned int devctl = NVMEV_CFG_PCIE + PCI_EXP_DEVCTL;
	struct nvmev_pci *pci = nvmev_pci_of_bus(bus);
	unsigned long flags;
	int i;

	if (devfn || bus->number || where + size > NVMEV_CFG_SIZE)
		return PCIBIOS_DEVICE_NOT_FOUND;

	raw_spin_lock_irqsave(&pci->lock, flags);
	if (unlikely(nvmev_pci_retry(pci)))
		goto unlock;
	for (i = 0; i < size; i++) {
		u8 byte = val >> 8 * i, mask = pci->writable[where + i];

		if (where + i == NVMEV_CFG_PM + PCI_PM_CTRL &&
		    !nvmev_pm_supported(byte))
			mask &= ~PCI_PM_CTRL_STATE_MASK;
		pci->config[where + i] &= ~mask;
		pci->config[where + i] |= byte & mask;
		if (where + i == devctl + 1 &&
		    byte & (PCI_EXP_DEVCTL_BCR_FLR >> 8)) {
			nvmev_pci_flr(pci);
			break;
		}
	}
	nvmev_pci_update(pci);
unlock:
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops nvmev_pci_ops = {
	.read = nvmev_pci_read,
	.write = nvmev_pci_write,
};

/* --- host memory ---------------------------------------------------------- */

/* Up to here words are faster than what string instructions take to begin */
#define NVMEV_HOST_WORDS	64

static bool nvmev_host_copy_words(void *to, const void *from, size_t words)
{
	u64 word;

	asm volatile("1: movq (%[from]), %[word]\n"
		     "2: movq %[word], (%[to])\n"
		     "   addq $8, %[from]\n"
		     "   addq $8, %[to]\n"
		     "   decq %[words]\n"
		     "   jnz 1b\n"
		     "3:\n"
		     _ASM_EXTABLE(1b, 3b)
		     _ASM_EXTABLE(2b, 3b)
		     : [to] "+r" (to), [from] "+r" (from),
		       [words] "+r" (words), [word] "=&r" (word)
		     : : "cc", "memory");
	return !words;
}

static bool nvmev_host_copy_string(void *to, const void *from, size_t len)
{
	size_t left = len / sizeof(u64);

	asm volatile("1: rep movsq\n"
		     "   movq %[rest], %%rcx\n"
		     "2: rep movsb\n"
		     "3:\n"
		     _ASM_EXTABLE(1b, 3b)
		     _ASM_EXTABLE(2b, 3b)
		     : "+&D" (to), "+&S" (from), "+&c" (left)
		     : [rest] "r" (len % sizeof(u64))
		     : "memory");
	return !left;
}

/**
 * nvmev_host_copy() - copy to or from the host's memory
 * @to: where to
 * @from: where from; one of the two is from nvmev_host_ptr()
 * @len: bytes, not beyond the end of that page
 *
 * Context: a worker or the controller thread, also with a spinlock held.
 * Return: false when that page has gone meanwhile; some of it may be copied.
 */
bool nvmev_host_copy(void *to, const void *from, size_t len)
{
	if (len && len <= NVMEV_HOST_WORDS && !(len % sizeof(u64)))
		return nvmev_host_copy_words(to, from, len / sizeof(u64));
	return nvmev_host_copy_string(to, from, len);
}

/**
 * nvmev_host_zero() - write zeroes to the host's memory
 * @to: where to, from nvmev_host_ptr()
 * @len: bytes, not beyond the end of that page
 *
 * Context: a worker or the controller thread, also with a spinlock held.
 * Return: false when that page has gone meanwhile.
 */
bool nvmev_host_zero(void *to, size_t len)
{
	asm volatile("1: rep stosb\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "+D" (to), "+c" (len) : "a" (0) : "memory");
	return !len;
}

/*
 * Whether a page can be read, or written, through the direct map. Not every
 * page of memory can: secretmem(2) and guard pages are taken out of it, and
 * what is executed is read-only there. No function that says so is exported
 * by all kernels, so this tries, and after a fault goes on behind the jump.
 */
static bool nvmev_host_page_mapped(u8 *ptr, bool write)
{
	/* Or'ing 0 in, atomically, changes nothing whoever writes meanwhile */
	if (write)
		asm goto("1: lock orb $0, %0\n"
			 "   jmp %l1\n"
			 "2:\n"
			 _ASM_EXTABLE(1b, 2b)
			 : : "m" (*ptr) : "cc", "memory" : mapped);
	else
		asm goto("1: testb $0, %0\n"
			 "   jmp %l1\n"
			 "2:\n"
			 _ASM_EXTABLE(1b, 2b)
			 : : "m" (*ptr) : "cc", "memory" : mapped);
	return false;

mapped:
	return true;
}

/* Whether there is memory here that the device may read or write */
static bool nvmev_host_page_ok(unsigned long pfn, bool write)
{
	struct page page;

	/* What describes the page can go between the two, too */
	if (!pfn_valid(pfn) ||
	    unlikely(!nvmev_host_copy(&page, pfn_to_page(pfn), sizeof(page))))
		return false;
	/* Nobody has set up the page of a block that is offline */
	if (unlikely(nvmev_page_uninitialised(&page) || PageHWPoison(&page)))
		return false;
	/* A balloon has it: the hypervisor may have taken it away */
	if (unlikely(PageOffline(&page)))
		return false;
	/*
	 * Reserved are holes, and memory that the kernel keeps since its boot:
	 * its image, or the bounce buffers of swiotlb.
	 */
	if (unlikely(PageReserved(&page)) && !page_is_ram(pfn) &&
	    !nvmev_is_pmem(pfn))
		return false;
	return nvmev_host_page_mapped(phys_to_virt(PFN_PHYS(pfn)), write);
}

/**
 * nvmev_host_ptr() - where a host address lies in memory
 * @dev: the device
 * @addr: the address as the host gave it, for a device to use
 * @write: whether the device will write there
 *
 * Context: a worker or the controller thread, while the controller is enabled;
 * also with a spinlock held.
 * Return: the address, good to the end of its page; NULL when it is no memory.
 */
void *nvmev_host_ptr(struct nvmev_dev *dev, u64 addr, bool write)
{
	struct pci_dev *pdev = READ_ONCE(dev->pci->pdev);
	struct iommu_domain *domain;
	phys_addr_t phys;

	if (unlikely(!pdev))
		return NULL;
	domain = iommu_get_domain_for_dev(&pdev->dev);
	if (unlikely(domain)) {
		phys = iommu_iova_to_phys(domain, addr);
		if (!phys)
			return NULL;
	} else {
		phys = dma_to_phys(&pdev->dev, addr);
	}
	if (unlikely(!nvmev_host_page_ok(PHYS_PFN(phys), write)))
		return NULL;
	return phys_to_virt(phys);
}

/* --- the bus --------------------------------------------------------------- */

/*
 * The node that the memory is on, as the firmware has it also of memory that
 * the kernel does not use. Drivers allocate there: it must have some.
 */
static int nvmev_pci_find_node(struct nvmev_dev *dev)
{
	int node = phys_to_target_node(dev->config.start), other;
	int best = NUMA_NO_NODE;

	if (node < 0 || node >= MAX_NUMNODES)
		return cpu_to_node(dev->config.cpus[1]);
	for_each_node_state(other, N_MEMORY)
		if (best == NUMA_NO_NODE ||
		    node_distance(node, other) < node_distance(node, best))
			best = other;
	return best;
}

static bool nvmev_pci_domain_taken(int domain)
{
	struct pci_bus *bus = NULL;

	while ((bus = pci_find_next_bus(bus)))
		if (pci_domain_nr(bus) == domain ||
		    (pci_domain_nr(bus) & 0xffff) == (domain & 0xffff))
			return true;
	return false;
}

static int nvmev_pci_find_domain(void)
{
	int domain;

	for (domain = NVMEV_PCI_DOMAIN_FIRST; domain >= NVMEV_PCI_DOMAIN_LAST;
	     domain--)
		if (!nvmev_pci_domain_taken(domain))
			return domain;
	return -ENOSPC;
}

/*
 * Gives the BAR its place, before the PCI core looks for one: it would not take
 * one that the firmware's table calls reserved, which is what memmap= makes of
 * ours. After a function level reset that nobody has restored it from, or a
 * write of the host's, the BAR says something else.
 */
static void nvmev_pci_place_bar(struct nvmev_pci *pci, struct pci_dev *pdev)
{
	struct resource *bar = &pdev->resource[0];
	u64 start = pci->window.start;

	if (bar->start != start) {
		pci_write_config_dword(pdev, PCI_BASE_ADDRESS_0,
				       lower_32_bits(start));
		pci_write_config_dword(pdev, PCI_BASE_ADDRESS_1,
				       upper_32_bits(start));
		bar->start = start;
		bar->end = pci->window.end;
		bar->flags &= ~IORESOURCE_UNSET;
	}
	if (pci_claim_resource(pdev, 0))
		pci_err(pdev, "the BAR cannot be claimed\n");
}

/*
 * Whoever writes to the file waits for pci_lock_rescan_remove() and is waited for by
 * him who removes the device, with that lock: both for ever. Rescans go by
 * /sys/bus/pci/rescan. Nobody has been told yet that the file is there.
 */
static void nvmev_pci_hide_rescan(struct device *dev)
{
	static const struct attribute rescan = { .name = "rescan" };

	sysfs_remove_file(&dev->kobj, &rescan);
}

static int nvmev_pci_notify(struct notifier_block *nb, unsigned long action,
			    void *data)
{
	struct nvmev_pci *pci = container_of(nb, struct nvmev_pci, notifier);
	struct pci_dev *pdev = to_pci_dev(data), *old;
	unsigned long flags;

	if (pdev->bus->sysdata != &pci->sysdata)
		return NOTIFY_DONE;

	switch (action) {
	case BUS_NOTIFY_ADD_DEVICE:
		nvmev_pci_hide_rescan(&pdev->dev);
		nvmev_pci_place_bar(pci, pdev);
		nvmev_stay_outside_iommu(&pdev->dev);
		/*
		 * As if it were routed: without its copy of the pin the PCI
		 * core does not ask the firmware, which knows of no line here.
		 */
		if (pci->intx.virq) {
			pdev->irq = pci->intx.virq;
			pdev->pin = 0;
		}
		pci_dev_get(pdev);
		raw_spin_lock_irqsave(&pci->lock, flags);
		WRITE_ONCE(pci->pdev, pdev);
		raw_spin_unlock_irqrestore(&pci->lock, flags);
		break;
	case BUS_NOTIFY_REMOVED_DEVICE:
		raw_spin_lock_irqsave(&pci->lock, flags);
		old = pci->pdev;
		WRITE_ONCE(pci->pdev, NULL);
		pci->generation++;
		raw_spin_unlock_irqrestore(&pci->lock, flags);
		/* Afterwards nobody uses the device for translation */
		nvmev_ctrl_reset(pci->dev);
		pci_dev_put(old);
		break;
	}
	return NOTIFY_OK;
}

/**
 * nvmev_pci_check_kernel() - whether a device in memory can work here at all
 *
 * Context: load, may sleep.
 * Return: 0 or -EOPNOTSUPP.
 */
int nvmev_pci_check_kernel(void)
{
	if (xen_pv_domain()) {
		pr_err("this is a Xen PV domain, where drivers give devices addresses that only Xen can translate: it must be HVM or PVH\n");
		return -EOPNOTSUPP;
	}
	if (!pat_enabled())
		pr_warn("this kernel has no PAT (CONFIG_X86_PAT, nopat): the BAR is not cached, and each look at a doorbell takes longer than it should\n");
	return 0;
}

/**
 * nvmev_pci_init() - prepare the function and claim its BAR
 * @dev: the device
 *
 * Context: load, may sleep.
 * Return: 0 or -errno.
 */
int nvmev_pci_init(struct nvmev_dev *dev)
{
	struct nvmev_pci *pci = kzalloc(sizeof(*pci), GFP_KERNEL);
	int err;

	if (!pci)
		return -ENOMEM;
	pci->dev = dev;
	pci->sysdata.node = nvmev_pci_find_node(dev);
	raw_spin_lock_init(&pci->lock);
	/* 0 is what vectors have that were never looked up */
	pci->generation = 1;

	pci->window.name = "nvmev BAR";
	pci->window.start = dev->config.start;
	pci->window.end = dev->config.start + NVMEV_BAR_SIZE - 1;
	pci->window.flags = IORESOURCE_MEM | IORESOURCE_MEM_64;
	err = insert_resource(&iomem_resource, &pci->window);
	if (!err && (pci->window.child ||
		     pci->window.parent->flags & IORESOURCE_BUSY)) {
		remove_resource(&pci->window);
		err = -EBUSY;
	}
	if (err) {
		pr_err("memmap_start: %pR is claimed by someone else\n",
		       &pci->window);
		kfree(pci);
		return err;
	}
	if (nvmev_intx_create(&pci->intx, dev->config.start >> 20))
		pr_warn("no interrupt line: the device needs MSI-X or MSI\n");
	nvmev_cfg_init(pci, dev->config.start);
	dev->pci = pci;
	return 0;
}

/**
 * nvmev_pci_destroy() - give the BAR back
 * @dev: the device; may be destroyed twice
 */
void nvmev_pci_destroy(struct nvmev_dev *dev)
{
	if (!dev->pci)
		return;
	nvmev_intx_destroy(&dev->pci->intx);
	remove_resource(&dev->pci->window);
	kfree(dev->pci);
	dev->pci = NULL;
}

/**
 * nvmev_pci_add() - make the bus, and let drivers bind
 * @dev: the device, with its threads running
 *
 * Context: load, may sleep.
 * Return: 0 or -errno.
 */
int nvmev_pci_add(struct nvmev_dev *dev)
{
	struct nvmev_pci *pci = dev->pci;
	LIST_HEAD(resources);
	int err;

	nvmev_msix_init_table(dev->bar + NVMEV_BAR_MSIX_TABLE);
	nvmev_msix_init_table(dev->hidden_bar + NVMEV_BAR_MSIX_TABLE);
	pci->busn.name = "nvmev bus";
	pci->busn.flags = IORESOURCE_BUS;
	pci->notifier.notifier_call = nvmev_pci_notify;
	/* Before the IOMMU core, which takes the device out of its domain */
	pci->notifier.priority = 1;
	err = bus_register_notifier(&pci_bus_type, &pci->notifier);
	if (err)
		return err;

	pci_lock_rescan_remove();
	err = nvmev_pci_find_domain();
	if (err < 0)
		goto unlock;
	WRITE_ONCE(pci->sysdata.domain, err);

	pci_add_resource(&resources, &pci->window);
	pci_add_resource(&resources, &pci->busn);
	pci->bus = pci_create_root_bus(NULL, 0, &nvmev_pci_ops, &pci->sysdata,
				       &resources);
	if (!pci->bus) {
		pci_free_resource_list(&resources);
		err = -ENOMEM;
		goto unlock;
	}
	nvmev_pci_hide_rescan(&pci->bus->dev);
	pci_scan_child_bus(pci->bus);
	/* The notifier has seen it, and claimed its BAR */
	if (!pci->pdev || !pci->pdev->resource[0].parent) {
		err = -ENODEV;
		goto remove_bus;
	}
	pci_bus_add_devices(pci->bus);
	/* While it is there: somebody may remove it at any time */
	if (pci->pdev)
		pci->mappings = nvmev_device_mappings(pci_name(pci->pdev));
	pci_unlock_rescan_remove();
	return 0;

remove_bus:
	pci_stop_root_bus(pci->bus);
	nvmev_pci_remove_root_bus(pci->bus);
unlock:
	pci_unlock_rescan_remove();
	bus_unregister_notifier(&pci_bus_type, &pci->notifier);
	pr_err("no PCI bus: error %d\n", err);
	return err;
}

/**
 * nvmev_pci_domain() - the PCI domain that is the device's own
 * @dev: the device
 *
 * Return: the domain, 0 before nvmev_pci_add().
 */
int nvmev_pci_domain(struct nvmev_dev *dev)
{
	return READ_ONCE(dev->pci->sysdata.domain);
}

/**
 * nvmev_pci_node() - the NUMA node that the device is on
 * @dev: the device
 *
 * Return: that of its memory, or the nearest that has memory for the kernel.
 */
int nvmev_pci_node(struct nvmev_dev *dev)
{
	return dev->pci->sysdata.node;
}

/**
 * nvmev_pci_remove() - take the bus away; drivers unbind
 * @dev: the device, with its threads still running
 *
 * Context: unload, sleeps.
 */
void nvmev_pci_remove(struct nvmev_dev *dev)
{
	struct nvmev_pci *pci = dev->pci;
	struct pci_dev *pdev;
	unsigned long flags;

	raw_spin_lock_irqsave(&pci->lock, flags);
	pdev = pci->pdev ? pci_dev_get(pci->pdev) : NULL;
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	if (pdev && !pci->mappings)
		pci->mappings = nvmev_device_mappings(pci_name(pdev));

	pci_lock_rescan_remove();
	pci_stop_root_bus(pci->bus);
	nvmev_pci_remove_root_bus(pci->bus);
	pci_unlock_rescan_remove();
	bus_unregister_notifier(&pci_bus_type, &pci->notifier);
	/*
	 * Somebody may have written to the function's file "remove" and wait for the
	 * lock. He finds the function gone, but has no reference to it himself: let
	 * him have the lock first.
	 */
	synchronize_rcu();
	pci_lock_rescan_remove();
	pci_unlock_rescan_remove();
	pci_dev_put(pdev);
	/* A driver in user space is not asked, and the memory may be the kernel's */
	if (pci->mappings)
		unmap_mapping_range(pci->mappings, dev->config.start,
				    dev->config.size, 1);
}
