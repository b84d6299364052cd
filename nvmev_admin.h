/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the admin command set share: nvmev_ops_admin.c has the
 * dispatch, the queues and the events, nvmev_identify.c, nvmev_log.c and
 * nvmev_features.c what the host can read and set, nvmev_job.c the commands
 * that change namespaces and take longer, nvmev_sanitize.c and
 * nvmev_self_test.c what goes on behind the host's back. All of it runs in the
 * controller thread.
 */
#ifndef _NVMEV_ADMIN_H
#define _NVMEV_ADMIN_H

#include "nvmev.h"

#define NVMEV_FIRMWARE		"1.0"

/* Temperatures in kelvin: always a cool 37 degrees Celsius */
#define NVMEV_TEMPERATURE	310
#define NVMEV_TEMP_WARNING	343
#define NVMEV_TEMP_CRITICAL	353

/* The controller's identifier, the only one in its subsystem */
#define NVMEV_CNTLID		0

/* LBA formats 0 and 1 */
#define NVMEV_LBA_FORMATS	2
#define NVMEV_LBA_SHIFT_FIRST	9
#define NVMEV_LBA_SHIFT_LAST	12

/* Arbitration Burst at reset: 2^5 commands, see nvmev_worker_fetch() */
#define NVMEV_DEFAULT_BURST	5

static inline u32 nvmev_cdw(const struct nvme_command *cmd, unsigned int dw)
{
	return le32_to_cpu((&cmd->cdw10)[dw - 10]);
}

/* Where a field is, for the parameter error location of 5.14.1.1 */
#define NVMEV_AT(field)		offsetof(struct nvme_command, field)

/* Ends a command for good, and says which of its bytes is wrong */
static inline u16 nvmev_blame(struct nvmev_admin_result *result,
			      unsigned int byte, u16 status)
{
	result->error.location = byte;
	return status | NVME_SC_DNR;
}

/* What executes one admin command; a status */
typedef u16 nvmev_admin_fn(struct nvmev_dev *dev,
			   const struct nvme_command *cmd,
			   struct nvmev_admin_result *result);

void *nvmev_admin_buf(struct nvmev_dev *dev);
u16 nvmev_admin_data(struct nvmev_dev *dev, const struct nvme_command *cmd,
		     u32 len);
void nvmev_admin_effects(struct nvmev_dev *dev, __le32 *effects);
void nvmev_admin_clear_events(struct nvmev_dev *dev, u8 lid);
void nvmev_admin_forget_event(struct nvmev_dev *dev, u8 type);
u16 nvmev_max_vector(const struct nvmev_dev *dev);
void nvmev_pad_string(char *field, size_t size, const char *string);

nvmev_admin_fn nvmev_admin_identify;
nvmev_admin_fn nvmev_admin_get_log_page;
void nvmev_log_event_error(struct nvmev_dev *dev);

nvmev_admin_fn nvmev_admin_get_features;
nvmev_admin_fn nvmev_admin_set_features;
void nvmev_features_init(struct nvmev_dev *dev);
u8 nvmev_critical_warning(struct nvmev_dev *dev);
u64 nvmev_power_on_hours(struct nvmev_dev *dev);

nvmev_admin_fn nvmev_admin_ns_mgmt;
nvmev_admin_fn nvmev_admin_ns_attach;
nvmev_admin_fn nvmev_admin_format;
u8 nvmev_format_remains(struct nvmev_dev *dev, const struct nvmev_ns *ns);

nvmev_admin_fn nvmev_admin_sanitize;
bool nvmev_sanitize_work(struct nvmev_dev *dev);
void nvmev_log_sanitize(struct nvmev_dev *dev, struct nvme_sanitize_log *log);

nvmev_admin_fn nvmev_admin_self_test;
void nvmev_self_test_poll(struct nvmev_dev *dev);
void nvmev_self_test_abort(struct nvmev_dev *dev, u8 status);
void nvmev_self_test_abort_ns(struct nvmev_dev *dev, u32 nsid, u8 status);
void nvmev_log_self_test(struct nvmev_dev *dev,
			 struct nvme_self_test_log *log);

#endif /* _NVMEV_ADMIN_H */
