/* gRPC is not built for ThreadSanitizer, which therefore cannot see that what came before a batch
 * was started comes before its completion is taken. These two tell it; elsewhere they are nothing.
 */
#pragma once

#include <stdatomic.h>

#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define TSAN_ACQUIRE(address) __tsan_acquire(address)
#define TSAN_RELEASE(address) __tsan_release(address)
#define FULL_FENCE()          ((void)0) /* it knows none */
#else
#define TSAN_ACQUIRE(address) ((void)(address))
#define TSAN_RELEASE(address) ((void)(address))
#define FULL_FENCE()          atomic_thread_fence(memory_order_seq_cst)
#endif
