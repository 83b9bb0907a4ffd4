// SPDX-License-Identifier: Apache-2.0
// Commands on removable drives: media status, eject and load. An image is attached as a removable medium
// for as long as the command runs; a drive that lasts is one of $HOLDFAST_DEVICES.
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

static bool media_open(const struct args *args, struct target *t, hf_handle *h)
{
    target_parse(t, args->words[0], TARGET_DEVICE);
    if (!target_attach(t, ATTACH_READ | ATTACH_REMOVABLE))
        return false;
    nt_status status = target_open(t, FILE_READ_DATA, FILE_OPEN, 0, h);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(t), status, "cannot open");
    return status == STATUS_SUCCESS;
}

// One question to the drive: its status is part of the answer, not a failure of the command.
static nt_status ask(hf_handle h, uint32_t code, void *out, size_t size)
{
    size_t done;
    return hf_ioctl(h, code, NULL, 0, out, size, &done);
}

struct media_facts {
    nt_status verify, hotplug, number, length, writable;
    uint32_t changes;
    STORAGE_HOTPLUG_INFO hotplug_info;
    STORAGE_DEVICE_NUMBER device_number;
    GET_LENGTH_INFORMATION length_info;
};

static void media_facts_print(const char *shown, const struct media_facts *f)
{
    out_name(shown);
    printf("\n  medium         %s\n", f->verify == STATUS_SUCCESS ? "present" : hf_status_name(f->verify));
    if (f->verify == STATUS_SUCCESS)
        printf("  media changes  %u\n", f->changes);
    if (f->hotplug == STATUS_SUCCESS)
        printf("  removable      %s\n", f->hotplug_info.MediaRemovable ? "yes" : "no");
    if (f->number == STATUS_SUCCESS)
        printf("  device         type %u, number %u\n", f->device_number.DeviceType,
               f->device_number.DeviceNumber);
    if (f->length == STATUS_SUCCESS)
        printf("  length         %lld\n", (long long)f->length_info.Length);
    printf("  writable       %s\n", f->writable == STATUS_SUCCESS ? "yes" : hf_status_name(f->writable));
}

static void media_facts_json(const char *shown, const struct media_facts *f)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "device", shown);
    json_add_text(object, "check_verify", hf_status_name(f->verify));
    if (f->verify == STATUS_SUCCESS)
        json_add_number(object, "media_changes", f->changes);
    if (f->hotplug == STATUS_SUCCESS)
        json_add_bool(object, "removable", f->hotplug_info.MediaRemovable);
    if (f->number == STATUS_SUCCESS) {
        json_add_number(object, "device_type", f->device_number.DeviceType);
        json_add_number(object, "device_number", f->device_number.DeviceNumber);
    }
    if (f->length == STATUS_SUCCESS)
        json_add_number(object, "length", (uint64_t)f->length_info.Length);
    json_add_text(object, "is_writable", hf_status_name(f->writable));
    out_json(object);
}

void command_media_status(const struct args *args)
{
    struct target t;
    hf_handle h;
    if (media_open(args, &t, &h)) {
        struct media_facts f = {0};
        f.verify = ask(h, IOCTL_STORAGE_CHECK_VERIFY, &f.changes, sizeof f.changes);
        if (HF_STATUS_IS_ERROR(f.verify) || HF_STATUS_IS_WARNING(f.verify))
            fail_status(target_shown(&t), f.verify, "IOCTL_STORAGE_CHECK_VERIFY");
        f.hotplug = ask(h, IOCTL_STORAGE_GET_HOTPLUG_INFO, &f.hotplug_info, sizeof f.hotplug_info);
        f.number = ask(h, IOCTL_STORAGE_GET_DEVICE_NUMBER, &f.device_number, sizeof f.device_number);
        f.length = ask(h, IOCTL_DISK_GET_LENGTH_INFO, &f.length_info, sizeof f.length_info);
        f.writable = ask(h, IOCTL_DISK_IS_WRITABLE, NULL, 0);
        if (option_given(args, "json"))
            media_facts_json(target_shown(&t), &f);
        else
            media_facts_print(target_shown(&t), &f);
        handle_close(&t, h);
    }
    target_free(&t);
}

static void media_command(const struct args *args, uint32_t code)
{
    struct target t;
    hf_handle h;
    if (media_open(args, &t, &h)) {
        nt_status status = ask(h, code, NULL, 0);
        if (status != STATUS_SUCCESS)
            fail_status(target_shown(&t), status, "%s", hf_code_name(code));
        handle_close(&t, h);
    }
    target_free(&t);
}

void command_media_eject(const struct args *args)
{
    media_command(args, IOCTL_STORAGE_EJECT_MEDIA);
}

void command_media_load(const struct args *args)
{
    media_command(args, IOCTL_STORAGE_LOAD_MEDIA);
}
