/* order.h - gives an order (control.h) to whoever may write the manifest.
 *
 * The coordinator is its only writer: while one holds it, the order is a file that it picks up
 * within a second.  Otherwise the caller takes the lock and does it itself.
 */
#pragma once
#include "coordinator/control.h"

/* *said is what was done; *was_live (NULL: not asked) whether a coordinator did it. */
MUST_CHECK enum err_code order_give(const char *results, struct control_order *o, struct buf *said,
                                    bool *was_live, struct err *e);
