// SPDX-License-Identifier: MIT
// The register stack and the status word.
#include "emu/x87/x87.h"

void x87_init(struct x87_state *state)
{
    *state = (struct x87_state){ .control = 0x37f };
}

void x87_set_top(struct x87_state *s, unsigned top)
{
    s->status = (uint16_t)((s->status & ~(7 << X87_TOP_SHIFT)) | (top & 7) << X87_TOP_SHIFT);
}

static unsigned physical(const struct x87_machine *m, unsigned i)
{
    return (x87_top(&m->s) + i) & 7;
}

bool x87_empty(const struct x87_machine *m, unsigned i)
{
    return !(m->s.valid >> physical(m, i) & 1);
}

struct float80 x87_get(const struct x87_machine *m, unsigned i)
{
    return m->s.reg[physical(m, i)];
}

void x87_put(struct x87_machine *m, unsigned i, struct float80 value)
{
    m->s.reg[physical(m, i)] = value;
    m->s.valid |= (uint16_t)(1u << physical(m, i));
}

void x87_free(struct x87_machine *m, unsigned i)
{
    m->s.valid &= (uint16_t)~(1u << physical(m, i));
}

void x87_pop(struct x87_machine *m)
{
    x87_free(m, 0);
    x87_set_top(&m->s, x87_top(&m->s) + 1);
}

void x87_push(struct x87_machine *m, struct float80 value)
{
    x87_set_top(&m->s, x87_top(&m->s) - 1);
    x87_put(m, 0, value);
}

void x87_underflow(struct x87_machine *m)
{
    m->env.raised |= FLOAT_IE | FLOAT_SF;
    m->env.up = false;
}

void x87_overflow(struct x87_machine *m)
{
    m->env.raised |= FLOAT_IE | FLOAT_SF;
    m->env.up = true;
}

void x87_summarize(struct x87_state *s)
{
    bool pending = s->status & ~s->control & FLOAT_ALL;
    s->status = (uint16_t)((s->status & ~(X87_ES | X87_BUSY)) | (pending ? X87_ES | X87_BUSY : 0));
}

bool x87_settle(struct x87_machine *m)
{
    unsigned raised = m->env.raised;
    bool stop = raised & ~m->s.control & FLOAT_BEFORE, up = m->env.up;
    if (stop) {
        raised &= FLOAT_BEFORE | FLOAT_SF;
        up = up && raised & FLOAT_SF;
    }
    m->s.status = (uint16_t)((m->s.status & ~X87_C1) | (up ? X87_C1 : 0) | raised);
    x87_summarize(&m->s);
    return !stop;
}
