/* give.h - hands an order to whoever may change the manifest: the running coordinator, else us. */
#pragma once
#include "coordinator/control.h"

/* `answer` gets the outcome, a line.  An order that is refused: ERR_INVALID with its text. */
MUST_CHECK enum err_code give_order(const char *results, struct control_order *o, struct buf *answer,
                                    struct err *e);
