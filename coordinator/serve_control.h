/* serve_control.h - the coordinator's ear for orders (control.h). */
#pragma once
#include "coordinator/serve.h"

void serve_control_look(struct serve *s);   /* applies the oldest order, if there is one */
void serve_control_answer(struct serve *s); /* once what it did is committed */
