// SPDX-License-Identifier: GPL-2.0
/*
 * Features (NVMe 1.4, 5.9 and 5.21): what the host can set.
 *
 * Runs in the controller thread; workers read some settings, see
 * struct nvmev_features.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>

#include "nvmev_admin.h"

static u64 nvmev_timestamp_ms(struct nvmev_dev *dev)
{
	const struct nvmev_features *features = &dev->admin.features;

	return features->timestamp_ms +
	       div_u64(nvmev_clock_ns() - features->timestamp_set_ns,
		       NSEC_PER_MSEC);
}

/**
 * nvmev_features_init() - features as they are after a reset
 * @dev: the device
 */
void nvmev_features_init(struct nvmev_dev *dev)
{
	struct nvmev_features *defaults = &dev->admin.defaults;

	memset(defaults, 0, sizeof(*defaults));
	defaults->arbitration = NVMEV_DEFAULT_BURST;
	defaults->temp_over = NVMEV_TEMP_WARNING;
	defaults->volatile_wc = 1;
	dev->admin.features = *defaults;
	dev->admin.features.timestamp_set_ns = nvmev_clock_ns();
}

/*
 * A feature of the controller is asked for with no namespace, all of them or
 * any (and then only read), one of a namespace with that: 7.8.
 */
static u16 nvmev_feature_ns(struct nvmev_dev *dev,
			    const struct nvme_command *cmd, bool set)
{
	bool per_ns = (u8)nvmev_cdw(cmd, 10) == NVME_FEAT_ERR_RECOVERY;
	u32 nsid = le32_to_cpu(cmd->nsid);

	if (nsid == NVME_NSID_ALL && (set || !per_ns))
		return NVME_SC_SUCCESS;
	if (!nsid && !per_ns)
		return NVME_SC_SUCCESS;
	/* Of the controller: a valid one need not be attached, or be there */
	if (per_ns ? !nvmev_ns_find(dev, nsid) : nsid > NVMEV_MAX_NS)
		return nvmev_ns_missing(nsid);
	if (!per_ns && set)
		return NVME_SC_FEATURE_NOT_PER_NS | NVME_SC_DNR;
	return NVME_SC_SUCCESS;
}

static u32 *nvmev_temp_threshold(struct nvmev_features *features, u32 cdw11)
{
	/*
	 * TMPSEL: 0 is the composite temperature. 15, all sensors, can only be
	 * set, and leaves nothing but the composite one here.
	 */
	u32 sensor = cdw11 >> 16 & 0xf;

	if (sensor)
		return NULL;
	switch (cdw11 >> 20 & 3) {
	case 0:
		return &features->temp_over;
	case 1:
		return &features->temp_under;
	default:
		return NULL;
	}
}

/* The value of a feature in DW0, from @features */
static u16 nvmev_feature_value(struct nvmev_dev *dev,
			       struct nvmev_features *features,
			       const struct nvme_command *cmd,
			       struct nvmev_admin_result *result)
{
	u32 *value = &result->dw0;
	u32 cdw11 = nvmev_cdw(cmd, 11);
	u32 nsid = le32_to_cpu(cmd->nsid);
	u32 *threshold;
	u16 vector;

	switch (nvmev_cdw(cmd, 10) & 0xff) {
	case NVME_FEAT_ARBITRATION:
		*value = features->arbitration;
		break;
	case NVME_FEAT_POWER_MGMT:
		*value = features->power_state;
		break;
	case NVME_FEAT_TEMP_THRESH:
		threshold = nvmev_temp_threshold(features, cdw11);
		if (!threshold)
			return nvmev_blame(result, NVMEV_AT(cdw11) + 2,
					   NVME_SC_INVALID_FIELD);
		*value = *threshold;
		break;
	case NVME_FEAT_ERR_RECOVERY:
		if (nsid && nsid <= NVMEV_MAX_NS)
			*value = features->error_recovery[nsid - 1];
		break;
	case NVME_FEAT_VOLATILE_WC:
		*value = features->volatile_wc;
		break;
	case NVME_FEAT_NUM_QUEUES:
		*value = (dev->config.queues - 1) << 16 |
			  (dev->config.queues - 1);
		break;
	case NVME_FEAT_IRQ_COALESCE:
		*value = features->irq_coalesce;
		break;
	case NVME_FEAT_IRQ_CONFIG:
		vector = cdw11;
		if (vector > nvmev_max_vector(dev))
			return nvmev_blame(result, NVMEV_AT(cdw11),
					   NVME_SC_INVALID_FIELD);
		*value = vector |
			  (u32)features->irq_no_coalesce[vector] << 16;
		break;
	case NVME_FEAT_WRITE_ATOMIC:
		*value = features->write_atomicity;
		break;
	case NVME_FEAT_ASYNC_EVENT:
		*value = features->async_event;
		break;
	case NVME_FEAT_TIMESTAMP:
	case NVME_FEAT_HOST_ID:
		break;
	default:
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_INVALID_FIELD);
	}
	return NVME_SC_SUCCESS;
}

/* EXHID, CDW11 bit 0: 16 bytes instead of 8 */
static u32 nvmev_host_id_bytes(const struct nvme_command *cmd)
{
	return nvmev_cdw(cmd, 11) & 1 ? 16 : 8;
}

static u16 nvmev_get_host_id(struct nvmev_dev *dev,
			     const struct nvmev_features *features,
			     const struct nvme_command *cmd)
{
	memcpy(nvmev_admin_buf(dev), features->host_id,
	       sizeof(features->host_id));
	return nvmev_admin_data(dev, cmd, nvmev_host_id_bytes(cmd));
}

static u16 nvmev_set_host_id(struct nvmev_dev *dev,
			     const struct nvme_command *cmd)
{
	struct nvmev_features *features = &dev->admin.features;
	u8 host_id[16] = { };
	u16 status;

	status = nvmev_prp_read(dev, cmd, 0, host_id,
				nvmev_host_id_bytes(cmd));
	if (!status)
		memcpy(features->host_id, host_id, sizeof(host_id));
	return status;
}

static u16 nvmev_get_timestamp(struct nvmev_dev *dev,
			       const struct nvmev_features *features,
			       const struct nvme_command *cmd)
{
	struct nvme_timestamp *timestamp = nvmev_admin_buf(dev);
	u64 ms = 0;

	/* The default is a clock that stands still at 0 */
	if (features == &dev->admin.features)
		ms = nvmev_timestamp_ms(dev);
	put_unaligned_le32(ms, timestamp->ms);
	put_unaligned_le16(ms >> 32, timestamp->ms + 4);
	if (features->timestamp_by_host)
		timestamp->attr = NVME_TIMESTAMP_ORIGIN_SET;
	return nvmev_admin_data(dev, cmd, sizeof(*timestamp));
}

/**
 * nvmev_admin_get_features() - execute Get Features
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_get_features(struct nvmev_dev *dev,
			     const struct nvme_command *cmd,
			     struct nvmev_admin_result *result)
{
	u32 cdw10 = nvmev_cdw(cmd, 10);
	struct nvmev_features *features = &dev->admin.features;
	struct nvmev_features *defaults = &dev->admin.defaults;
	u8 select = FIELD_GET(NVME_FEAT_SEL, cdw10);
	u8 fid = cdw10;
	u16 status;

	if (select > NVME_FEAT_SEL_SUPPORTED)
		return nvmev_blame(result, NVMEV_AT(cdw10) + 1,
				   NVME_SC_INVALID_FIELD);
	/* Nothing can be saved, so what is saved is the default */
	if (select != NVME_FEAT_SEL_CURRENT)
		features = defaults;

	/* A feature that does not exist comes before a namespace that is not */
	status = nvmev_feature_value(dev, features, cmd, result);
	if (!status)
		status = nvmev_feature_ns(dev, cmd, false);
	if (status) {
		result->dw0 = 0;
		return status;
	}

	if (select == NVME_FEAT_SEL_SUPPORTED) {
		result->dw0 = NVME_FEAT_CAP_CHANGEABLE;
		if (fid == NVME_FEAT_ERR_RECOVERY)
			result->dw0 |= NVME_FEAT_CAP_PER_NS;
		return NVME_SC_SUCCESS;
	}
	if (fid == NVME_FEAT_TIMESTAMP)
		return nvmev_get_timestamp(dev, features, cmd);
	if (fid == NVME_FEAT_HOST_ID)
		return nvmev_get_host_id(dev, features, cmd);
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_critical_warning() - what SMART warns of at present, 5.14.1.2
 * @dev: the device
 */
u8 nvmev_critical_warning(struct nvmev_dev *dev)
{
	const struct nvmev_features *features = &dev->admin.features;

	if (features->temp_over <= NVMEV_TEMPERATURE ||
	    features->temp_under >= NVMEV_TEMPERATURE)
		return NVME_SMART_CRIT_TEMPERATURE;
	return 0;
}

static void nvmev_check_temperature(struct nvmev_dev *dev)
{
	if (nvmev_critical_warning(dev) &
	    FIELD_GET(NVME_AEC_SMART, dev->admin.features.async_event))
		nvmev_admin_event(dev, NVME_AER_TYPE_SMART,
				  NVME_AER_SMART_TEMPERATURE);
}

static u16 nvmev_set_num_queues(struct nvmev_dev *dev, u32 cdw11,
				struct nvmev_admin_result *result)
{
	if ((cdw11 & 0xffff) == 0xffff)
		return nvmev_blame(result, NVMEV_AT(cdw11),
				   NVME_SC_INVALID_FIELD);
	if (cdw11 >> 16 == 0xffff)
		return nvmev_blame(result, NVMEV_AT(cdw11) + 2,
				   NVME_SC_INVALID_FIELD);
	/* Only before any I/O queue is created, 5.21.1.7 */
	if (dev->admin.queues_created)
		return NVME_SC_CMD_SEQ_ERROR | NVME_SC_DNR;
	result->dw0 = (dev->config.queues - 1) << 16 |
		      (dev->config.queues - 1);
	return NVME_SC_SUCCESS;
}

/* By the admin queue, or an I/O completion queue, 5.21.1.9 */
static bool nvmev_vector_used(const struct nvmev_dev *dev, u16 vector)
{
	unsigned int qid;

	if (!vector)
		return true;
	for (qid = 1; qid <= dev->config.queues; qid++)
		if (dev->cqs[qid] && dev->cqs[qid]->vector == vector)
			return true;
	return false;
}

static u16 nvmev_set_temp_threshold(struct nvmev_dev *dev, u32 cdw11,
				    struct nvmev_admin_result *result)
{
	u32 *threshold;

	/* All sensors: see nvmev_temp_threshold() */
	if ((cdw11 >> 16 & 0xf) == 0xf)
		cdw11 &= ~(0xfU << 16);
	threshold = nvmev_temp_threshold(&dev->admin.features, cdw11);
	if (!threshold)
		return nvmev_blame(result, NVMEV_AT(cdw11) + 2,
				   NVME_SC_INVALID_FIELD);
	*threshold = cdw11 & 0xffff;
	nvmev_check_temperature(dev);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_set_error_recovery(struct nvmev_dev *dev, u32 nsid, u32 cdw11,
				    struct nvmev_admin_result *result)
{
	unsigned int i;

	/* DULBE needs a namespace that supports it */
	if (cdw11 & BIT(16))
		return nvmev_blame(result, NVMEV_AT(cdw11) + 2,
				   NVME_SC_INVALID_FIELD);
	for (i = 0; i < NVMEV_MAX_NS; i++)
		if (nsid == NVME_NSID_ALL || nsid == i + 1)
			dev->admin.features.error_recovery[i] = cdw11 & 0xffff;
	return NVME_SC_SUCCESS;
}

static u16 nvmev_set_timestamp(struct nvmev_dev *dev,
			       const struct nvme_command *cmd)
{
	struct nvmev_features *features = &dev->admin.features;
	struct nvme_timestamp timestamp;
	u16 status;

	status = nvmev_prp_read(dev, cmd, 0, &timestamp, sizeof(timestamp));
	if (status)
		return status;
	features->timestamp_ms = get_unaligned_le32(timestamp.ms) |
		(u64)get_unaligned_le16(timestamp.ms + 4) << 32;
	features->timestamp_set_ns = nvmev_clock_ns();
	features->timestamp_by_host = true;
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_admin_set_features() - execute Set Features
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_set_features(struct nvmev_dev *dev,
			     const struct nvme_command *cmd,
			     struct nvmev_admin_result *result)
{
	struct nvmev_features *features = &dev->admin.features;
	u32 cdw10 = nvmev_cdw(cmd, 10), cdw11 = nvmev_cdw(cmd, 11);
	u8 fid = cdw10;
	u16 status, vector = cdw11;

	/* That one has its own idea of CDW11; see nvmev_set_temp_threshold() */
	if (fid != NVME_FEAT_TEMP_THRESH) {
		/* A feature that exists; its reading has no side effect */
		status = nvmev_feature_value(dev, features, cmd, result);
		result->dw0 = 0;
		if (status)
			return status;
	}
	if (cdw10 & NVME_FEAT_SV)
		return nvmev_blame(result, NVMEV_AT(cdw10) + 3,
				   NVME_SC_FEATURE_NOT_SAVEABLE);
	status = nvmev_feature_ns(dev, cmd, true);
	if (status)
		return nvmev_blame(result, NVMEV_AT(nsid), status);

	switch (fid) {
	case NVME_FEAT_ARBITRATION:
		WRITE_ONCE(features->arbitration, cdw11);
		break;
	case NVME_FEAT_POWER_MGMT:
		/* Power state 0 is the only one; the workload is a hint */
		if (cdw11 & 0x1f)
			return nvmev_blame(result, NVMEV_AT(cdw11),
					   NVME_SC_INVALID_FIELD);
		features->power_state = cdw11 & 0xff;
		break;
	case NVME_FEAT_TEMP_THRESH:
		return nvmev_set_temp_threshold(dev, cdw11, result);
	case NVME_FEAT_ERR_RECOVERY:
		return nvmev_set_error_recovery(dev, le32_to_cpu(cmd->nsid),
						cdw11, result);
	case NVME_FEAT_VOLATILE_WC:
		features->volatile_wc = cdw11 & 1;
		break;
	case NVME_FEAT_NUM_QUEUES:
		return nvmev_set_num_queues(dev, cdw11, result);
	case NVME_FEAT_IRQ_COALESCE:
		WRITE_ONCE(features->irq_coalesce, cdw11 & 0xffff);
		break;
	case NVME_FEAT_IRQ_CONFIG:
		if (!nvmev_vector_used(dev, vector))
			return nvmev_blame(result, NVMEV_AT(cdw11),
					   NVME_SC_INVALID_FIELD);
		WRITE_ONCE(features->irq_no_coalesce[vector],
			   cdw11 >> 16 & 1);
		break;
	case NVME_FEAT_WRITE_ATOMIC:
		features->write_atomicity = cdw11 & 1;
		break;
	case NVME_FEAT_ASYNC_EVENT:
		features->async_event = cdw11;
		nvmev_check_temperature(dev);
		break;
	case NVME_FEAT_TIMESTAMP:
		return nvmev_set_timestamp(dev, cmd);
	case NVME_FEAT_HOST_ID:
		return nvmev_set_host_id(dev, cmd);
	}
	return NVME_SC_SUCCESS;
}
