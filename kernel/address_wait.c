// SPDX-License-Identifier: MIT
#include "kernel/address_wait.h"
#include "kernel/process.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/user.h"

struct address_key { struct aspace *aspace; uva_t address; pa_t frame; };
struct address_waiter { struct wait_entry entry; struct address_key key; };

// By the offset in the page, which is the same however the frame is found.
enum { BUCKETS = 128 };
static struct list buckets[BUCKETS];

static struct list *bucket_locked(uva_t address)
{
    struct list *bucket = &buckets[(address & (PAGE_BYTES - 1)) / 8 % BUCKETS];
    if (!bucket->next)
        list_init(bucket);
    return bucket;
}

static status_t key_make(uva_t address, struct address_key *key)
{
    struct aspace *aspace = thread_current()->process->aspace;
    uint8_t probe;
    status_t status = user_copy_in(&probe, address, 1);
    if (status != STATUS_SUCCESS)
        return status;
    *key = (struct address_key){ aspace, address, aspace_frame(aspace, address) & ~(PAGE_BYTES - 1) };
    return STATUS_SUCCESS;
}

static bool same_place(const struct address_key *a, const struct address_key *b)
{
    return a->aspace == b->aspace && a->address == b->address;
}

static bool same_frame(const struct address_key *a, const struct address_key *b)
{
    return a->frame && a->frame == b->frame && a->address % PAGE_BYTES == b->address % PAGE_BYTES && !same_place(a, b);
}

status_t address_wait(uva_t address, uva_t compare, uint32_t size, uint64_t timeout_ns)
{
    if ((size != 1 && size != 2 && size != 4 && size != 8) || address % size)
        return STATUS_INVALID_PARAMETER;
    uint64_t expected = 0, now = 0, deadline = wait_deadline(timeout_ns);
    struct wait wait = { .thread = thread_current(), .count = 1 };
    struct address_waiter waiter = { .entry.wait = &wait };
    wait.entries = &waiter.entry;
    status_t status = user_copy_in(&expected, compare, size);
    if (status == STATUS_SUCCESS)
        status = key_make(address, &waiter.key);
    if (status != STATUS_SUCCESS)
        return status;

    // On the list first, then look: a wake-up between the two is not lost.
    spin_lock(&wait_lock);
    list_append(bucket_locked(address), &waiter.entry.link);
    spin_unlock(&wait_lock);
    status = user_copy_in(&now, address, size);
    spin_lock(&wait_lock);
    if (status != STATUS_SUCCESS || now != expected) {
        list_remove(&waiter.entry.link);
        spin_unlock(&wait_lock);
        return status;
    }
    return wait_sleep_until_done(&wait, deadline);
}

// One wake-up of the first waiter that matches.
static bool wake_one_locked(const struct address_key *key, bool (*matches)(const struct address_key *, const struct address_key *))
{
    list_for_each(link, bucket_locked(key->address)) {
        struct address_waiter *waiter = list_entry(link, struct address_waiter, entry.link);
        if (matches(key, &waiter->key)) {
            wait_finish_locked(waiter->entry.wait, STATUS_SUCCESS);
            return true;
        }
    }
    return false;
}

status_t address_wake(uva_t address, uint32_t most)
{
    struct address_key key;
    status_t status = key_make(address, &key);
    if (status != STATUS_SUCCESS)
        return status;
    spin_lock(&wait_lock);
    while (most && wake_one_locked(&key, same_place))
        most--;
    while (most && wake_one_locked(&key, same_frame))
        most--;
    spin_unlock(&wait_lock);
    return STATUS_SUCCESS;
}
