#!/usr/bin/env python3
"""Makes a folder that golden_neox reads: a random GPT-NeoX and SAE, and what PyTorch computes from
them in float64.  The model is written out below, since the library's takes its softmax in float32;
it is compared with the library's on the way.

  make_golden_neox.py OUT [--layers 3 --d 48 --heads 3 --inner 192 --vocab 96 --rotary 0.25
                           --base 10000 --sequential --tied --act gelu --dtype F32 --no-attn-bias
                           --eps 1e-5 --layer 1 --seq 20 --batch 3 --seed 0 --sharded]
"""
import argparse
import json
import math
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

F64 = torch.float64


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("out")
    for name, default in [("layers", 3), ("d", 48), ("heads", 3), ("inner", 192), ("vocab", 96),
                          ("layer", 1), ("seq", 20), ("batch", 3), ("seed", 0), ("base", 10000)]:
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--rotary", type=float, default=0.25)
    p.add_argument("--eps", type=float, default=1e-5)
    p.add_argument("--act", default="gelu")
    p.add_argument("--dtype", default="F32", choices=["F32", "F16", "BF16"])
    for flag in ["sequential", "tied", "no-attn-bias", "sharded"]:
        p.add_argument("--" + flag, action="store_true")
    return p.parse_args()


def config_of(a):
    keys = dict(vocab_size=a.vocab, hidden_size=a.d, num_hidden_layers=a.layers,
                num_attention_heads=a.heads, intermediate_size=a.inner, hidden_act=a.act,
                layer_norm_eps=a.eps, use_parallel_residual=not a.sequential,
                tie_word_embeddings=a.tied, attention_bias=not a.no_attn_bias,
                max_position_embeddings=2 * a.seq, bos_token_id=0, eos_token_id=0)
    old = dict(keys, rotary_pct=a.rotary, rotary_emb_base=a.base)
    new = dict(keys, rope_parameters=dict(rope_type="default", rope_theta=float(a.base),
                                          partial_rotary_factor=a.rotary))
    import transformers
    return GPTNeoXConfig(**(new if int(transformers.__version__.split(".")[0]) >= 5 else old))


def shake(model):
    """Weights of some size, biases and norms that matter."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("layernorm.weight") or name.endswith("layer_norm.weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif p.ndim == 1:
                p.copy_(0.2 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) / math.sqrt(p.shape[-1]))


def save_weights(P, config, out, dtype, sharded):
    """Files, and P becomes what they hold."""
    kind = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[dtype]
    state = {k: v.detach().to(kind).contiguous() for k, v in P.items()}
    config = json.loads(config.to_json_string(use_diff=False))
    config["architectures"] = ["GPTNeoXForCausalLM"]
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "config.json"), "w") as f:
        json.dump({k: v for k, v in config.items() if v is not None}, f, indent=1)
    if not sharded:
        save_file(state, os.path.join(out, "model.safetensors"), metadata={"format": "pt"})
    else:
        names, index = sorted(state), {}
        for i, part in enumerate([names[: len(names) // 2], names[len(names) // 2:]]):
            file = f"model-{i + 1:05d}-of-00002.safetensors"
            save_file({n: state[n] for n in part}, os.path.join(out, file), metadata={"format": "pt"})
            index.update({n: file for n in part})
        total = sum(v.numel() * v.element_size() for v in state.values())
        with open(os.path.join(out, "model.safetensors.index.json"), "w") as f:
            json.dump({"metadata": {"total_size": total}, "weight_map": index}, f)
    return {k: v.to(F64).requires_grad_() for k, v in state.items()}


class Model:
    """The forward pass in plain float64; acts is what it leaves at each place."""

    def __init__(self, P, c):
        self.P, self.c = P, c
        rope = getattr(c, "rope_parameters", None) or {}
        self.base = rope.get("rope_theta", getattr(c, "rotary_emb_base", 10000))
        self.e = c.hidden_size // c.num_attention_heads
        self.r = int(self.e * rope.get("partial_rotary_factor", getattr(c, "rotary_pct", 0.25)))

    def linear(self, x, name):
        return torch.nn.functional.linear(x, self.P[name + ".weight"], self.P.get(name + ".bias"))

    def norm(self, x, name):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], self.P[name + ".weight"],
                                              self.P[name + ".bias"], self.c.layer_norm_eps)

    def turn(self, y):
        r, t = self.r, y.shape[-2]
        if not r:
            return y
        freq = float(self.base) ** (-torch.arange(0, r, 2, dtype=F64) / r)
        angle = torch.arange(t, dtype=F64)[:, None] * freq
        a, z, rest = y[..., : r // 2], y[..., r // 2: r], y[..., r:]
        return torch.cat([a * angle.cos() - z * angle.sin(), z * angle.cos() + a * angle.sin(), rest], -1)

    def attention(self, x, name, mask, acts, i):
        b, t, d = x.shape
        h, e = d // self.e, self.e
        q, k, v = self.linear(x, name + ".query_key_value").view(b, t, h, 3 * e).transpose(1, 2).split(e, -1)
        q, k = self.turn(q), self.turn(k)
        s = q @ k.transpose(-1, -2) / math.sqrt(e)
        hidden = torch.ones(t, t, dtype=torch.bool).triu(1)[None, None]
        if mask is not None:
            hidden = hidden | (mask == 0)[:, None, None, :]
        p = s.masked_fill(hidden, -1e300).softmax(-1)
        out = self.linear((p @ v).transpose(1, 2).reshape(b, t, d), name + ".dense")
        if i == 0:
            acts.update({"layer0.q_rot": q, "layer0.k_rot": k, "layer0.v": v, "layer0.attn_probs": p,
                         "layer0.attn_out": out})
        return out

    def mlp(self, x, name):
        exact = self.c.hidden_act == "gelu"
        a = torch.nn.functional.gelu(self.linear(x, name + ".dense_h_to_4h"),
                                     approximate="none" if exact else "tanh")
        return self.linear(a, name + ".dense_4h_to_h")

    def __call__(self, ids, mask=None, replace=None, layer=None):
        acts = {}
        x = acts["embed"] = self.P["gpt_neox.embed_in.weight"][ids]
        for i in range(self.c.num_hidden_layers):
            n = f"gpt_neox.layers.{i}"
            a = self.attention(self.norm(x, n + ".input_layernorm"), n + ".attention", mask, acts, i)
            y = x if self.c.use_parallel_residual else x + a
            out = y + self.mlp(self.norm(y, n + ".post_attention_layernorm"), n + ".mlp")
            x = out + a if self.c.use_parallel_residual else out
            if replace is not None and i == layer:
                x = replace(x)
            acts[f"layer{i}.out"] = x
        x = acts["final_norm"] = self.norm(x, "gpt_neox.final_layer_norm")
        tied = "embed_out.weight" not in self.P
        return x @ self.P["gpt_neox.embed_in.weight" if tied else "embed_out.weight"].T, acts


def check_against_library(P, config, ids):
    config._attn_implementation = "eager"
    model = GPTNeoXForCausalLM(config).to(F64).eval()
    with torch.no_grad():
        for n, p in model.named_parameters():
            p.copy_(P[n.replace("lm_head.weight", "embed_out.weight")])
        diff = (model(input_ids=ids).logits - Model(P, config)(ids)[0]).abs().max()
    assert diff < 1e-4, f"differs from the library's model by {diff}"


class Sae:
    def __init__(self, n, d):
        self.enc = torch.randn(n, d) / math.sqrt(d)
        self.dec = (self.enc / self.enc.norm(dim=1, keepdim=True)).T.contiguous()
        self.bias, self.pre = 0.1 * torch.randn(n), 0.1 * torch.randn(d)

    def save(self, path):
        save_file({"encoder.weight": self.enc, "decoder.weight": self.dec, "latent_bias": self.bias,
                   "pre_bias": self.pre}, path, metadata={"format": "pt"})
        self.enc, self.dec, self.bias, self.pre = (x.to(F64) for x in
                                                   (self.enc, self.dec, self.bias, self.pre))

    def target(self, x, k, k_sharp):
        a = (x - self.pre) @ self.enc.T + self.bias
        z = torch.zeros_like(a)
        top = a.topk(min(k, k_sharp), dim=-1)
        z.scatter_(-1, top.indices, top.values.clamp(min=0))
        return z @ self.dec.T + self.pre


def ce(logits, ids, mask):
    lp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    m = mask[:, 1:].to(F64)
    return -(lp * m).sum() / m.sum(), lp


def grads(model, loss):
    names = list(model.P)
    out = dict(zip(names, torch.autograd.grad(loss, [model.P[n] for n in names])))
    return out, math.sqrt(sum(float((g * g).sum()) for g in out.values()))


def plain_batch(model, ids, T, G):
    logits, acts = model(ids)
    loss, lp = ce(logits, ids, torch.ones_like(ids))
    for name, x in acts.items():
        T["act." + name] = x
    T.update({"logits": logits, "token_logprobs": lp, "input_ids": ids.to(torch.int32)})
    g, norm = grads(model, loss)
    T.update({"grad_ce." + n: x for n, x in g.items()})
    G.update(ce_loss=float(loss), grad_ce_norm=norm,
             sum_logprob_after_first_token=[float(x) for x in lp.sum(1)])


def aux_loss(model, sae, ids, mask, a):
    logits, acts = model(ids, mask)
    lm, _ = ce(logits, ids, mask)
    x, m = acts[f"layer{a['layer']}.out"], mask.to(F64)[..., None]
    target = sae.target(x.detach(), a["k"], a["k_sharp"])
    aux = ((x - target) ** 2 * m).sum() / mask.sum() / x.shape[-1]
    return lm, aux, lm + a["lam"] * aux, target


def masked_runs(model, sae, ids, mask, args, T, G):
    k = max(4, min(24, args.d // 2))
    a = dict(layer=args.layer, k=k, k_sharp=max(2, k // 4), lam=0.5)
    T.update(input_ids_padded=ids.to(torch.int32), attention_mask=mask.to(torch.int32))
    logits, acts = model(ids, mask)
    loss, _ = ce(logits, ids, mask)
    T["logits_padded"] = logits
    G.update(ce_loss_padded=float(loss), n_scored_tokens_padded=int(mask[:, 1:].sum()),
             n_mask_tokens_padded=int(mask.sum()))
    lm, aux, total, target = aux_loss(model, sae, ids, mask, a)
    g, norm = grads(model, total)
    T["aux_target"] = target
    T.update({"grad_aux." + n: x for n, x in g.items()})
    G["aux"] = dict(a, lm_loss=float(lm), aux_loss=float(aux), total=float(total), grad_norm=norm)
    logits, acts = model(ids, mask)
    lm, _ = ce(logits, ids, mask)
    l1 = (acts[f"layer{args.layer}.out"].abs() * mask[..., None]).sum() / mask.sum()
    g, norm = grads(model, lm + 0.01 * l1)
    G["l1"] = dict(layer=args.layer, weight=0.01, lm_loss=float(lm), l1_norm=float(l1),
                   total=float(lm + 0.01 * l1), grad_norm=norm,
                   grad_norm_per_param={n: float(x.norm()) for n, x in g.items()})
    return a


def intervention(model, sae, ids, mask, a, G):
    def loss_with(replace):
        with torch.no_grad():
            logits, _ = model(ids, mask, replace, a["layer"])
            return float(ce(logits, ids, mask)[0])
    base, zero = loss_with(None), loss_with(torch.zeros_like)
    curve, recovered = [], {}
    for ks in sorted({a["k"], a["k"] // 2, a["k_sharp"], 3, 1}, reverse=True):
        x = loss_with(lambda h: sae.target(h, a["k"], ks))
        curve.append(dict(k_sharp=ks, ce=x, ppl=math.exp(x)))
        recovered[str(ks)] = (zero - x) / (zero - base)
    G["intervention"] = dict(layer=a["layer"], k=a["k"], baseline_ce=base, zero_ablation_ce=zero,
                             curve=curve, ce_recovered=recovered)


def trajectory(model, sae, ids, mask, a, T, G):
    lr, steps = 1e-3, 5
    opt = torch.optim.AdamW(model.P.values(), lr=lr, weight_decay=0.01)
    points = []
    for s in range(steps):
        now = 0.1 * lr + 0.45 * lr * (1 + math.cos(math.pi * s / steps))
        opt.param_groups[0]["lr"] = now
        lm, aux, total, _ = aux_loss(model, sae, ids, mask, a)
        opt.zero_grad(set_to_none=True)
        total.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(model.P.values(), 1.0))
        opt.step()
        points.append(dict(step=s, lr=now, lm_loss=float(lm), aux_loss=float(aux), total=float(total),
                           grad_norm_before_clip=norm))
    T.update({"after." + n: p.detach().clone() for n, p in model.P.items()})
    G["adamw"] = dict(lr=lr, weight_decay=0.01, betas=[0.9, 0.999], eps=1e-8, clip=1.0, steps=steps,
                      trajectory=points, param_norms_after={n: float(p.norm()) for n, p in
                                                            model.P.items()})


def sharded(P, config, out, ids, G):
    P = save_weights(P, config, os.path.join(out, "f16_sharded"), "F16", True)
    logits, _ = Model(P, config)(ids)
    G["f16_sharded"] = dict(ce_loss=float(ce(logits, ids, torch.ones_like(ids))[0].detach()),
                            logits_0_0_first8=[float(x) for x in logits[0, 0, :8].detach()])


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    config = config_of(args)
    library = GPTNeoXForCausalLM(config)
    shake(library)
    P = {n.replace("lm_head.weight", "embed_out.weight"): p for n, p in library.named_parameters()}
    P = save_weights(P, config, args.out, args.dtype, args.sharded)
    model = Model(P, config)
    sae = Sae(4 * args.d, args.d)
    sae.save(os.path.join(args.out, "sae.safetensors"))
    ids = torch.randint(0, args.vocab, (args.batch, args.seq))
    check_against_library(P, config, ids)
    mask = torch.ones_like(ids)
    for i in range(1, args.batch):
        mask[i, args.seq - 3 * i - 1:] = 0
    padded = torch.randint(1, args.vocab, ids.shape) * mask
    T, G = {}, {}
    plain_batch(model, ids, T, G)
    a = masked_runs(model, sae, padded, mask, args, T, G)
    intervention(model, sae, padded, mask, a, G)
    if args.dtype == "F32" and not args.sharded:
        sharded(P, config, args.out, ids, G)
    trajectory(model, sae, padded, mask, a, T, G)
    save_file({n: x.detach().to(torch.int32 if x.dtype == torch.int32 else torch.float32).contiguous()
               for n, x in T.items()}, os.path.join(args.out, "golden.safetensors"))
    with open(os.path.join(args.out, "golden.json"), "w") as f:
        json.dump(G, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
