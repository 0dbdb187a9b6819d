"""Genuine evidence, and evidence that is not, through the real program: exit
codes and JSON of every vector, and every mutation that their rules list, each
on some of the cases.  The vectors are looked for in $CONFD_VECTORS."""

import base64
import contextlib
import http.server
import json
import os
import re
import shutil
import ssl
import struct
import subprocess
import tempfile
import threading
import urllib.parse

from lib import TOP, Place, Skip, check, confd, run

VECTORS = os.environ.get("CONFD_VECTORS", os.path.join(TOP, "..", "shared", "vectors"))
WORD = {0: "ok", 2: "refused", 3: "incomplete"}
STEP = {"step", "ok", "outcome", "expected", "found", "source"}
# Reasons of time, or that something is missing: nothing is refused, but open.
SNP_TIMES = {"CERT_TIME", "CRL_TIME", "NO_LEAF_CERT"}
TDX_TIMES = {"CRL_TIME", "TCB_INFO_TIME", "QE_IDENTITY_TIME", "TCB_SIGNER_TIME"}

table = {}
place = Place()


def at(*names):
    return os.path.join(VECTORS, *names)


def cases(kind):
    """Each case of a kind: its folder, and what case.json says."""
    if not os.path.isdir(at(kind)):
        raise Skip("no vectors (CONFD_VECTORS)")
    for name in sorted(os.listdir(at(kind))):
        path = at(kind, name)
        if os.path.exists(os.path.join(path, "case.json")):
            with open(os.path.join(path, "case.json")) as f:
                yield path, json.load(f)


def have(option, path):
    return [option, path] if os.path.exists(path) else []


def unique(pairs):
    check(len({k for k, _ in pairs}) == len(pairs), "a member twice", pairs)
    return dict(pairs)


def tell(code, *args):
    """What people are told: the same verdict, a line a step, no odd bytes."""
    done = confd("verify", *args, ok=False)
    check(done.returncode == code, args, f"expected {code}, found {done.returncode}", done.stderr)
    steps, _, verdict = done.stdout.partition("\n\n")
    check(verdict.startswith(WORD[code] + ": "), verdict)
    check(("Not proven: " in verdict) == (code == 0), verdict)
    check(all(re.match(r"(ok|failed|not checked) +\S.*\)$", l) for l in steps.splitlines()), steps)
    check(not re.search("[^\n -~]", done.stdout), done.stdout)


def verify(kind, code, *args):
    """Run it; the exit code must be this, and the JSON say the same."""
    done = confd("verify", *args, "--json", ok=False)
    row = table.setdefault(kind, {0: 0, 2: 0, 3: 0, "wrong": 0})
    right = done.returncode == code
    row[code if right else "wrong"] += 1
    check(right, kind, args, f"expected {code}, found {done.returncode}", done.stderr)
    check(done.stdout.count("\n") == 1, done.stdout)
    out = json.loads(done.stdout, object_pairs_hook=unique)
    check({"verdict", "tee", "claims", "trace", "not_proven"} <= set(out), list(out))
    check(out["verdict"] == WORD[code], out["verdict"], code)
    check(("reason" in out) == (code != 0) and bool(out["not_proven"]) == (code == 0), out)
    for step in out["trace"]:
        check(STEP <= set(step) and step["ok"] == (step["outcome"] == "ok"), step)
    bad = [s for s in out["trace"] if not s["ok"]]
    check(bool(bad) == (code != 0), bad)
    check((code == 2) == any(s["outcome"] == "failed" for s in bad) or code == 3, bad)
    check(all((s["outcome"] == "failed") == ("refusal" in s) for s in out["trace"]), bad)
    if sum(row.values()) % 10 == 1:
        tell(code, *args)
    return out


def failed(out):
    return {s["step"] for s in out["trace"] if not s["ok"]}


def written(name, data):
    with open(place.path(name), "wb") as f:
        f.write(data)
    return place.path(name)


def read(*names):
    with open(os.path.join(*names), "rb") as f:
        return f.read()


# ---- SEV-SNP


def leaf(path):
    return os.path.join(path, "vlek.der" if os.path.exists(os.path.join(path, "vlek.der"))
                        else "vcek.der")


def chain(path):
    return written("chain.pem", read(path, "ask.pem") + read(path, "ark.pem"))


def snp_args(path, case, crl=True, time=None):
    there = os.path.exists(os.path.join(path, "ask.pem"))
    return ["snp", os.path.join(path, "report.bin"), *have("--vcek", leaf(path)),
            *(["--chain", chain(path)] if there else []),
            *(have("--crl", os.path.join(path, "crl.der")) if crl else []),
            "--at", time or case.get("verification_time", "2026-01-01T00:00:00Z")]


def code_of(reasons, times):
    return 0 if not reasons else 3 if set(reasons) <= times else 2


def snp_fields(out, case):
    claims, fields = out["claims"], case["fields"]
    for name in ("version", "vmpl", "guest_svn", "measurement", "report_data", "host_data",
                 "chip_id", "family_id", "image_id", "id_key_digest", "policy"):
        check(claims[name] == fields[name], name, claims[name], fields[name])
    check(claims["product"] == case["product"] and claims["key"] == case["signer"], claims)
    check(claims["reported_tcb"]["snp"] == fields["reported_tcb"]["snp"], claims)
    check(claims["debug"] == fields["policy_bits"]["debug"], claims)


def test_every_snp_case():
    for path, case in cases("snp"):
        reasons, flags = case["expect"]["reasons"], case.get("policy_flags", [])
        args = snp_args(path, case)
        code = code_of(reasons, SNP_TIMES)
        for flag, expect in (("POLICY_DEBUG", "debug=true"), ("VMPL_NONZERO", "vmpl=1")):
            if flag in flags and code == 0:
                out = verify("snp, default policy", 2, *args)
                check(out["claims"] != {} and len(failed(out)) == 1, failed(out))
                args += ["--expect", expect]
        out = verify("snp, genuine" if code == 0 else "snp, signature", code, *args)
        if code == 0:
            snp_fields(out, case)
            want = "good" if "--crl" in args else "unchecked"
            check(out["claims"]["revocation"] == want, out["claims"])
            check(("not revoke" in str(out["not_proven"])) == (want != "good"), out)
        if os.path.exists(os.path.join(path, "auxblob.bin")):
            verify("snp, by table", code, *[a for a in args if a not in ("--vcek", leaf(path))],
                   "--certs-table", os.path.join(path, "auxblob.bin"))


def test_every_snp_case_at_its_times():
    for path, case in cases("snp"):
        tolerated = []
        for flag, expect in (("POLICY_DEBUG", "debug=true"), ("VMPL_NONZERO", "vmpl=1")):
            if flag in case["policy_flags"]:
                tolerated += ["--expect", expect]
        for t in case.get("times", []):
            for crl, member in ((True, "expect"), (False, "expect_without_crl")):
                verify("snp, times", code_of(t[member], SNP_TIMES),
                       *snp_args(path, case, crl, t["at"]), *tolerated)


def test_every_synthetic_snp_case():
    for path, case in cases("snp_synth"):
        args = snp_args(path, case)
        root = ["--trust-root", os.path.join(path, "ark.pem")]
        code = 0 if case["expect"]["appraisal"] == "accept" else 2
        out = verify("snp, own root", code, *args, *root)
        if code == 0:
            check("any protection by hardware" in out["not_proven"][0], out["not_proven"])
            check(out["claims"]["root_pinned"] is False, out["claims"])
        verify("snp, own root, not trusted", 2, *args)


# ---- Azure's vTPM


VTPM_QUOTE = ("tpm_quote_msg.bin", "tpm_quote_sig.bin", "pcrs.json")
# The vectors' reason codes, and the steps that are about them.
VTPM_STEPS = {"NONCE_MISMATCH": "vtpm.quote.nonce", "QUOTE_SIGNATURE": "vtpm.quote.signature",
              "FORMAT": "vtpm.quote.form", "PCR_DIGEST": "vtpm.quote.pcrs",
              "REPORT_DATA_BINDING": "vtpm.binding"}


def vtpm_args(path, hcl=None, nonce=None, time="2026-01-01T00:00:00Z", **other):
    """other: a file's name without its ending, and the file to give in its place."""
    milan = written("milan.pem", b"".join(read(at("roots"), f"amd_{k}_milan.pem")
                                          for k in ("ask", "ark")))
    args = ["vtpm", hcl or os.path.join(path, "hcl_report.bin"), "--at", time]
    for option, name in zip(("--quote", "--signature", "--pcrs"), VTPM_QUOTE):
        args += have(option, other.get(name.split(".")[0], os.path.join(path, name)))
    args += have("--td-quote", os.path.join(path, "td_quote.bin"))
    if os.path.exists(leaf(path)):
        args += ["--vcek", leaf(path), "--chain", milan]
    return args + (["--nonce", nonce] if nonce else [])


def vtpm_collateral():
    """What is at hand for the platform of the TD quote: case, folder and time."""
    for path, case in cases("tdx"):
        if "-00806f05-" in path:
            for e in case["evaluations"]:
                if e["expect"] == "status":
                    yield path, os.path.join(path, e["collateral"]), e["at"]


def test_every_vtpm_case():
    for path, case in cases("vtpm"):
        nonce, tdx = case["expect"]["nonce"], case["hcl"]["report_type"] == "TDX"
        if nonce is None or tdx:  # no quote, or no collateral: open
            out = verify("vtpm", 3, *vtpm_args(path, nonce=nonce))
            check("vtpm.binding" not in failed(out) and out["claims"] == {}, failed(out))
            check(("vtpm.quote.form" in failed(out)) == (nonce is None), failed(out))
        if nonce is None or tdx:
            continue
        out = verify("vtpm", 0, *vtpm_args(path, nonce=nonce))
        data = case["snp_fields"]["report_data"]
        check(out["tee"] == "snp" and out["claims"]["report_data"] == data, out)
        steps = {s["step"]: s["found"] for s in out["trace"]}
        check(steps["vtpm.quote.nonce"] == nonce and nonce in steps["vtpm.quote.form"], steps)
        check("PCRs 0-23" in steps["vtpm.quote.form"], steps)
        check(case["attest"]["pcr_digest"] in steps["vtpm.quote.pcrs"], steps)
        told = str(out["not_proven"])
        check("which software runs" in told and "this boot only" in told, told)
        check("for you" not in told, told)
        out = verify("vtpm", 0, *vtpm_args(path), "--expect", "report_data=" + data)
        check("made now, for you" in str(out["not_proven"]), out["not_proven"])
        verify("vtpm", 2, *vtpm_args(path), "--expect", "report_data=" + "00" * 64)
        pcrs = confd("verify", *vtpm_args(path), "--verbose").stdout
        check(pcrs.count("\npcr  ") + pcrs.startswith("pcr  ") == 24, pcrs)


def test_a_vtpm_on_tdx():
    """Genuine, but its platform is out of date, which nothing makes good."""
    path = at("vtpm", "azure-tdx-v0")
    policy = {"policy.tcb_status", "policy.advisories"}
    n = 0
    for other, folder, time in vtpm_collateral():
        args = vtpm_args(path, nonce="6368616c6c656e6765", time=time) + ["--collateral", folder]
        claims = json.loads(confd("verify", *args, "--json", ok=False).stdout)["claims"]
        if not claims:  # collateral that does not fit
            continue
        out = verify("vtpm, tdx", 2, *args)
        check(failed(out) == policy and out["tee"] == "tdx", failed(out))
        check(claims["tcb_status"] == "OutOfDate", claims)
        advisories = "advisories=" + ",".join(claims["advisories"])
        out = verify("vtpm, tdx", 2, *args, "--expect", advisories)
        check(failed(out) == {"policy.tcb_status"}, failed(out))
        # With the quote of another TD.
        args[args.index("--td-quote") + 1] = os.path.join(other, "quote.bin")
        out = verify("vtpm, tdx", 2, *args)
        check("vtpm.binding.quote" in failed(out) and out["claims"] == {}, failed(out))
        n += 1
    check(n > 0 or not list(cases("tdx")), "no collateral fits")


def vtpm_mutation(path, rule):
    """Arguments of what the rule makes of the case; None: it has no quote."""
    name, change = rule["id"], {}
    hcl, message = os.path.join(path, "hcl_report.bin"), os.path.join(path, VTPM_QUOTE[0])
    if name == "runtime_data_edit":
        data = bytearray(read(hcl))
        data[data.index(b'"n":"') + 40] ^= 1
        return vtpm_args(path, hcl=written("changed", data))
    if not os.path.exists(message):
        return None
    if name == "nonce_differs":
        return vtpm_args(path, nonce="00")
    if name == "hcl_of_other_vm":
        return vtpm_args(path, hcl=next(os.path.join(p, "hcl_report.bin") for p, _ in cases("vtpm")
                                        if p != path and os.path.exists(leaf(p)) ==
                                        os.path.exists(leaf(path))))
    data = read(path, rule["file"])
    if name == "msg_flip_extra_data":
        change = {"op": "xor", "offset": 6 + 2 + int.from_bytes(data[6:8], "big") + 2, "value": "01"}
    elif name.startswith("pcr"):  # all are selected
        pcrs = json.loads(data)
        pcrs["pcrs"][9] = "ff" * 32
        return vtpm_args(path, pcrs=written("changed", json.dumps(pcrs).encode()))
    key = rule["file"].split(".")[0]
    return vtpm_args(path, **{key: written("changed", mutate(data, change or rule))})


def test_vtpm_mutations_are_refused():
    n = 0
    for path, case in cases("vtpm"):
        for rule in case["negative_rules"]:
            args = vtpm_mutation(path, rule)
            if args is None:
                continue
            out = verify("vtpm, mutations", 2, *args)
            check(out["claims"] == {}, rule["id"])
            steps = {VTPM_STEPS.get(e, "vtpm.quote.pcrs") for e in rule["expect"]}
            check(steps <= failed(out), rule["id"], failed(out))
            n += 1
    check(n >= 38 or n == 0, n)


def test_vtpm_parts_that_are_missing_or_spoilt():
    path = at("vtpm", "azure-snp-milan-v0")
    if not list(cases("vtpm")):
        return
    full = vtpm_args(path)
    for option in ("--quote", "--signature", "--pcrs", "--vcek", "--chain"):
        k = full.index(option)
        verify("vtpm, missing", 3, *full[:k], *full[k + 2:])
    data = read(path, "hcl_report.bin")
    for spoilt in (data[:1000], b"HCLB" + data[4:], data + b"x"):
        out = verify("vtpm, spoilt", 2, *vtpm_args(path, hcl=written("changed", spoilt)))
        check("vtpm.hcl.form" in failed(out) and out["claims"] == {}, failed(out))
    out = verify("vtpm, spoilt", 2, *vtpm_args(path, pcrs=written("changed", b"{}")))
    check("vtpm.pcrs.form" in failed(out), failed(out))
    for wrong in (["--td-quote", full[1]], ["--nonce", "0"], ["--nonce", "00" * 65]):
        check(confd("verify", *full, *wrong, ok=False).returncode == 64, wrong)
    check(confd("verify", *full, "--pcrs", "/no/such", ok=False).returncode in (64, 74))


def test_missing_snp_collateral_is_incomplete():
    path, case = next((p, c) for p, c in cases("snp") if not c["policy_flags"])
    report = os.path.join(path, "report.bin")
    time = ["--at", case["verification_time"]]
    out = verify("snp, missing", 3, "snp", report, *time)
    check("snp.certs.leaf" in failed(out) and out["claims"] == {}, out)
    verify("snp, missing", 3, "snp", report, "--vcek", leaf(path), *time)
    verify("snp, missing", 3, *snp_args(path, case, crl=False), "--expect", "revocation=good")
    out = verify("snp, missing", 3, "snp", report, "--vcek", written("empty", b""), *time)
    check(failed(out) == {"input"}, failed(out))
    # And now, long after, what was good then is open.
    verify("snp, missing", 3, *snp_args(path, case, time="2099-01-01T00:00:00Z"))


def test_every_form_of_a_file_is_read():
    path, case = next((p, c) for p, c in cases("snp") if not c["policy_flags"])
    report, der = read(path, "report.bin"), read(leaf(path))
    pem = b"-----BEGIN %s-----\n" + base64.encodebytes(report) + b"-----END %s-----\n"
    forms = {
        "hex": report.hex().encode(), "HEX": b"0x" + report.hex().upper().encode() + b"\n",
        "lines": b"\n".join(report.hex().encode()[i:i + 60] for i in range(0, 2368, 60)),
        "base64": base64.encodebytes(report), "one line": base64.b64encode(report) + b"\n",
        "base64url": base64.urlsafe_b64encode(report).rstrip(b"="),
        "pem": pem.replace(b"%s", b"SNP REPORT"),
    }
    more = ["--chain", chain(path), "--at", case["verification_time"]]
    for form, text in forms.items():
        for cert in (der, base64.b64encode(der), der.hex().encode()):
            out = verify("snp, forms", 0, "snp", written("report", text), "--vcek",
                         written("vcek", cert), *more)
            check(out["claims"]["measurement"] == case["fields"]["measurement"], form)
    done = confd("verify", "snp", "-", "--vcek", leaf(path), *more, stdin=report.hex())
    check("\nok: " in done.stdout and "Not proven: " in done.stdout, done.stdout)
    check(all(line.startswith("ok  ") for line in done.stdout.split("\n\n")[0].splitlines()))
    for text in (forms["hex"][:-1], forms["base64"] + b"!", b"", b"zz", forms["hex"] + b"00"):
        verify("snp, forms", 2, "snp", written("report", text), "--vcek", leaf(path), *more)


def mutate(data, rule, base=0):
    value, offset = rule.get("value"), rule.get("offset", 0)
    data = bytearray(data)
    if rule["op"] == "truncate":
        return bytes(data[:rule["length"]])
    value = bytes.fromhex(value)
    if rule["op"] == "append":
        return bytes(data) + value
    offset = base + offset if offset >= 0 else len(data) + offset
    for i, byte in enumerate(value):
        data[offset + i] = byte if rule["op"] == "set" else data[offset + i] ^ byte
    return bytes(data)


ORDER = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973


def snp_mutation(path, rule):
    """The file that the rule changes, and what it is then; None: no bytes."""
    on = leaf(path) if rule["file"] == "LEAF" else os.path.join(path, rule["file"])
    if rule["op"] == "xor_tbs_serial":
        return on, mutate(read(on), {"op": "xor", "value": rule["value"],
                                     "offset": read(on).index(b"\x02\x01\x02\x02") + 5})
    if rule["op"] in ("set", "xor", "truncate", "append"):
        return on, mutate(read(on), rule)
    return on, None


def genuine_snp():
    """Each genuine case: its folder, itself, and what it needs to be taken."""
    for path, case in cases("snp"):
        if case["expect"]["signature_layer"] != "valid":
            continue
        more = []
        for flag, expect in (("POLICY_DEBUG", "debug=true"), ("VMPL_NONZERO", "vmpl=1")):
            more += ["--expect", expect] if flag in case["policy_flags"] else []
        yield path, case, more


def test_snp_mutations_are_refused():
    if not list(cases("snp")):
        return
    rules = json.loads(read(at("snp"), "NEGATIVE_RULES.json"))["rules"]
    n = 0
    for k, (path, case, more) in enumerate(genuine_snp()):
        for i, rule in enumerate(rules):
            on, changed = snp_mutation(path, rule)
            if (i + k) % 6 != 0 or changed is None or changed == read(on):
                continue
            args = snp_args(path, case)
            args[args.index(on)] = written("changed", changed)
            out = verify("snp, mutations", 2, *args, *more)
            check(out["claims"] == {}, rule["id"])
            n += 1
    check(n > 100, n)


def test_an_snp_signature_has_a_twin():
    """ECDSA: s and n - s both verify; a report's hash is not its signature's."""
    path, case, more = next(genuine_snp())
    report = read(path, "report.bin")
    s = ORDER - int.from_bytes(report[0x2e8:0x330], "little")
    args = snp_args(path, case)
    first = verify("snp, twin", 0, *args, *more)["claims"]["report"]
    args[1] = written("twin", report[:0x2e8] + s.to_bytes(72, "little") + report[0x330:])
    check(verify("snp, twin", 0, *args, *more)["claims"]["report"] == first)


def test_snp_certificates_of_another_are_refused():
    if not list(cases("snp")):
        return
    for pair in json.loads(read(at("snp"), "CROSS_PAIRS.json")):
        other = at("snp", pair["certs_from"])
        verify("snp, cross pairs", 2, "snp", at("snp", pair["report"], "report.bin"), "--vcek",
               leaf(other), "--chain", chain(other), "--at", pair["verification_time"])
    for path, case, more in genuine_snp():
        args = snp_args(path, case)
        product = {"Milan": "genoa", "Genoa": "turin", "Turin": "milan"}[case["product"]]
        args[args.index("--chain") + 1] = written(
            "other.pem", read(at("roots"), f"amd_ask_{product}.pem") + read(path, "ark.pem"))
        verify("snp, cross pairs", 2, *args, *more)
        args = snp_args(path, case, crl=False) + ["--crl", at("roots", "amd_crl_milan_20250506.der")]
        if case["product"] == "Genoa":
            verify("snp, cross pairs", 2, *args, *more)


def test_spoilt_certificate_tables_are_refused():
    for path, case, more in genuine_snp():
        table_file = os.path.join(path, "auxblob.bin")
        if not os.path.exists(table_file):
            continue
        args = [a for a in snp_args(path, case) if a not in ("--vcek", leaf(path))]
        for rule in json.loads(read(at("snp"), "NEGATIVE_RULES.json"))["auxblob_rules"]:
            changed = mutate(read(table_file), rule)
            verify("snp, tables", 3 if changed == b"" else 2, *args, "--certs-table",
                   written("table", changed), *more)


def test_files_that_are_none():
    path, case = next((p, c) for p, c in cases("snp") if not c["policy_flags"])
    report, fifo, folder = os.path.join(path, "report.bin"), place.path("fifo"), place.path("dir")
    big = written("big", b"")
    os.truncate(big, 100 << 20)
    os.mkfifo(fifo)
    os.mkdir(folder)
    for odd in (fifo, folder, "/dev/zero", place.path("absent")):
        for args in (["snp", odd], ["snp", report, "--vcek", odd], ["snp", report, "--crl", odd],
                     ["snp", report, "--certs-table", odd], ["tdx", odd], ["bundle", odd],
                     ["tdx", report, "--event-log", odd], ["gpu", report, "--chain", odd],
                     ["gpu", report, "--chain", report, "--rim", odd]):
            done = confd("verify", *args, ok=False, timeout=5)
            check(done.returncode == 74 and done.stdout == "", args, done)
    for args in (["snp", big], ["tdx", big], ["bundle", big], ["snp", report, "--vcek", big],
                 ["gpu", report, "--chain", report, "--ocsp", big]):
        check(failed(verify("files", 2, *args)) == {"input"}, args)
    check(confd("verify", "tdx", report, "--collateral", place.path("absent"),
                ok=False).returncode == 74)


# ---- TDX


def tdx_args(path, time, folder=".", quote="quote.bin"):
    return ["tdx", os.path.join(path, quote), "--at", time, "--collateral",
            os.path.join(path, folder)]


def tdx_code(case, e):
    """What the defaults make of an evaluation, and of what its platform is."""
    if e["expect"] != "status":
        return code_of(e["reasons"], TDX_TIMES)
    told = {"REPORT_DATA_ALL_ZERO", "SEPT_VE_DISABLE_CLEAR"}
    return 2 if set(case["policy_flags"]) - told or e["tcb_status"] != "UpToDate" else 0


def test_every_tdx_case():
    for path, case in cases("tdx"):
        for e in case["evaluations"]:
            code = tdx_code(case, e)
            args = tdx_args(path, e["at"], e["collateral"])
            out = verify("tdx, evaluations", code, *args)
            if e["expect"] == "status":
                claims = out["claims"]
                check(claims["tcb_status"] == e["tcb_status"], claims)
                check(claims["advisories"] == e["detail"]["advisories"], claims)
                for name, field in (("mrtd", "mr_td"), ("rtmr0", "rtmr0"), ("rtmr3", "rtmr3"),
                                    ("report_data", "report_data"), ("mrseam", "mr_seam")):
                    check(claims[name] == case["fields"][field], name)
            if os.path.exists(os.path.join(path, "quote_padded.bin")):
                verify("tdx, padded", code,
                       *tdx_args(path, e["at"], e["collateral"], "quote_padded.bin"))
            for shift in e.get("time_shifts", []):
                stale = code_of(shift["reasons"], TDX_TIMES)
                verify("tdx, times", stale, *tdx_args(path, shift["at"], e["collateral"]))


def test_a_tdx_quote_without_collateral_is_incomplete():
    for path, case in cases("tdx"):
        alone = case["signature_only"]
        code = 3 if alone["expect"] == "valid" else code_of(alone["expect"], TDX_TIMES)
        out = verify("tdx, no collateral", code, "tdx", os.path.join(path, "quote.bin"), "--at",
                     alone["at"])
        check(out["claims"] == {}, out["claims"])


def test_tdx_flags_can_be_expected():
    for path, case in cases("tdx"):
        if case["policy_flags"] != ["SEPT_VE_DISABLE_CLEAR"]:
            continue
        for e in case["evaluations"]:
            if e.get("tcb_status") == "UpToDate" and e["expect"] == "status":
                args = tdx_args(path, e["at"], e["collateral"])
                out = verify("tdx, flags", 0, *args, "--expect", "sept_ve_disable=false")
                check("SEPT_VE_DISABLE" in str(out["not_proven"]), out["not_proven"])
                verify("tdx, flags", 2, *args, "--expect", "sept_ve_disable=true")


def test_event_logs_lead_to_the_registers():
    n = 0
    for path, case in cases("tdx"):
        log = case.get("event_log")
        e = next((e for e in case["evaluations"] if e["expect"] == "status"), None)
        if log is None or e is None:
            continue
        data = read(path, log["data"])
        args = tdx_args(path, e["at"], e["collateral"])
        code = tdx_code(case, e)
        out = verify("tdx, event logs", code, *args, "--event-log", written("log", data))
        steps = {s["step"]: s["ok"] for s in out["trace"]}
        check(all(steps[f"eventlog.rtmr{i}"] for i in log["registers_used"]), steps)
        spoilt = (re.sub(rb'("digest": *")([0-9a-f])', lambda m: m[1] + (b"0" if m[2] != b"0" else b"1"),
                         data, count=1) if data.lstrip()[:1] == b"["
                  else mutate(data, {"op": "xor", "offset": 200, "value": "01"}))
        check(spoilt != data)
        verify("tdx, event logs", 2, *args, "--event-log", written("log", spoilt))
        verify("tdx, event logs", 2, *args, "--event-log", written("log", b"{}"))
        if data.lstrip()[:1] != b"[":
            ccel_rules(data, code, args)
        n += 1
    check(n > 0)


def ccel_events(data):
    """The head of a log, its events, and what fills the area behind them."""
    at_, events = 32 + struct.unpack_from("<I", data, 28)[0], []
    head = data[:at_]
    while at_ + 8 <= len(data) and data[at_:at_ + 4] != b"\xff" * 4:
        size = 66 + struct.unpack_from("<I", data, at_ + 62)[0]
        events.append(data[at_:at_ + size])
        at_ += size
    return head, events, data[at_:]


def ccel_rules(data, code, args):
    head, events, rest = ccel_events(data)

    def event(mr, kind, text, digest=bytes(48)):
        return struct.pack("<IIIH", mr, kind, 1, 12) + digest + struct.pack("<I", len(text)) + text

    def judge(want, changed):
        return failed(verify("tdx, event logs", want, *args, "--event-log",
                             written("log", head + b"".join(changed) + rest)))

    judge(code, events)
    judge(code, [event(1, 3, b"EV_NO_ACTION"), *events])
    for fewer in (events[:-1], events[1:]):
        check(any(step.startswith("eventlog.rtmr") for step in judge(2, fewer)))
    i = next(i for i in range(len(events)) if events[i][:4] == events[i + 1][:4] and
             events[i][14:62] != events[i + 1][14:62])
    judge(2, [*events[:i], events[i + 1], events[i], *events[i + 2:]])
    # Nothing extends MRTD: such a log is compared with no register.
    check(judge(2, [event(0, 4, b"x"), *events]) == {"eventlog.replay"})
    check(judge(2, [*events, event(4, 4, b"x")]) >= {"eventlog.rtmr3"})
    judge(2, [*events, event(5, 4, b"x")])


def test_every_synthetic_tdx_case():
    names = ("quote.bin", "tcb_info.json", "tcb_info_issuer_chain.pem", "qe_identity.json",
             "qe_identity_issuer_chain.pem", "root_ca_crl.der", "pck_crl.der")
    for path, case in cases("tdx_synth"):
        time = case.get("verification_time", "2023-06-01T00:00:00Z")
        args = tdx_args(path, time)
        expect = case["expect"]
        root = ["--trust-root", os.path.join(path, "root.pem")]
        if "reasons" not in expect:  # the sample whose chain is not PEM
            check(not all(os.path.exists(os.path.join(path, n)) for n in names))
            verify("tdx, own root", 2, *args)
            continue
        flags = expect["policy_flags"]
        bad = flags or expect["tcb_status"] not in ("UpToDate", None)
        code = code_of(expect["reasons"], TDX_TIMES) or (2 if bad else 0)
        out = verify("tdx, own root", code, *args, *root)
        if out["claims"]:
            check(out["claims"]["tcb_status"] == expect["tcb_status"], out["claims"])
        if expect["tcb_status"] in ("SWHardeningNeeded", "ConfigurationNeeded"):
            listed = ",".join(out["claims"]["advisories"])
            verify("tdx, own root", 0, *args, *root, "--expect", "advisories=" + listed,
                   "--expect", "tcb_status=" + expect["tcb_status"])
        if expect["tcb_status"] == "OutOfDate":  # never, whoever expects it
            verify("tdx, own root", 2, *args, *root, "--expect", "tcb_status=OutOfDate")
        verify("tdx, own root, not trusted", 2, *args)


def tdx_mutations(case, quote, rules):
    for rule in rules:
        if rule["op"] == "truncate_frac":
            length = {"empty": 0, "truncate_half": len(quote) // 2}.get(rule["id"], len(quote) - 1)
            yield rule, quote[:length]
            continue
        start, width = case["layout"][rule["base"]]
        if rule["op"] in ("set", "xor"):
            yield rule, mutate(quote, rule, start)
        elif rule["op"] == "add":
            size = min(width, 4)
            value = int.from_bytes(quote[start:start + size], "little") + rule["value"]
            yield rule, quote[:start] + value.to_bytes(size, "little") + quote[start + size:]


def accepted_tdx():
    """Each case with the evaluation that the defaults accept."""
    for path, case in cases("tdx"):
        e = next((e for e in case["evaluations"] if tdx_code(case, e) == 0), None)
        if e is not None:
            yield path, case, e


def test_tdx_mutations_are_refused():
    if not list(cases("tdx")):
        return
    rules, n = json.loads(read(at("tdx"), "NEGATIVE_RULES.json"))["rules"], 0
    for k, (path, case, e) in enumerate(accepted_tdx()):
        args = tdx_args(path, e["at"], e["collateral"])
        some = [r for i, r in enumerate(rules) if (i + k) % 4 == 0]
        for rule, changed in tdx_mutations(case, read(path, "quote.bin"), some):
            args[1] = written("quote", changed)
            out = verify("tdx, mutations", 2, *args)
            check(out["claims"] == {}, rule["id"])
            n += 1
    check(n > 100, n)


def spoil_collateral(folder, rule):
    """Apply a rule to the copy in folder; false where it changes nothing."""
    name = os.path.join(folder, rule["file"])
    before = data = read(name)
    if rule["op"] in ("replace", "replace1", "regex"):
        data = data.replace(rule["a"].encode(), rule["b"].encode(),
                            -1 if rule["op"] == "replace" else 1)
    elif rule["op"] == "swap":
        data = read(at("tdx", "_extra_collateral"), rule["a"])
    elif rule["op"] == "swapself":
        data = read(folder, rule["a"])
    elif rule["op"] == "xorlast":
        data = data[:-1] + bytes([data[-1] ^ 1])
    else:  # a digit of the signature
        i = data.index(b'"signature":"') + 33
        data = data[:i] + (b"1" if data[i:i + 1] == b"0" else b"0") + data[i + 1:]
    with open(name, "wb") as f:
        f.write(data)
    return data != before


def test_spoilt_tdx_collateral_is_refused_and_missing_is_incomplete():
    path, case, e = next((p, c, c["evaluations"][0]) for p, c in cases("tdx")
                         if c["evaluations"] and tdx_code(c, c["evaluations"][0]) == 0)
    names = [n for n in os.listdir(path) if n.startswith(("tcb", "qe", "root", "pck_crl"))]
    rules = json.loads(read(at("tdx"), "COLLATERAL_RULES.json"))["rules"]
    with tempfile.TemporaryDirectory(dir=place.dir) as folder:
        args = ["tdx", os.path.join(path, "quote.bin"), "--at", e["at"], "--collateral", folder]

        def copy(rename={}):
            for n in os.listdir(folder):
                os.unlink(os.path.join(folder, n))
            for n in names:
                shutil.copy(os.path.join(path, n), os.path.join(folder, rename.get(n, n)))

        for rule in rules:
            copy()
            if spoil_collateral(folder, rule):
                check(verify("tdx, collateral", 2, *args)["claims"] == {}, rule["id"])
        for n in names:
            copy()
            os.unlink(os.path.join(folder, n))
            verify("tdx, missing", 3, *args)
        # By the names of the service, and hex in place of binary.
        copy({"tcb_info.json": "tcb", "qe_identity.json": "identity", "pck_crl.der": "pckcrl",
              "tcb_info_issuer_chain.pem": "TCB-Info-Issuer-Chain",
              "qe_identity_issuer_chain.pem": "SGX-Enclave-Identity-Issuer-Chain",
              "root_ca_crl.der": "IntelSGXRootCA.der"})
        crl = os.path.join(folder, "pckcrl")
        data = read(crl)
        with open(crl, "wb") as f:
            f.write(data.hex().encode())
        verify("tdx, names", 0, *args)
        shutil.copy(os.path.join(path, "tcb_info.json"), folder)
        done = confd("verify", *args, ok=False)
        check(done.returncode == 64 and "found both" in done.stderr, done)
    check(confd("verify", *args, ok=False).returncode == 74)  # no such directory


def test_collateral_rules_on_every_tdx_case():
    if not list(cases("tdx")):
        return
    rules = json.loads(read(at("tdx"), "COLLATERAL_RULES.json"))["rules"]
    for k, (path, case, e) in enumerate(accepted_tdx()):
        if e["collateral"] != ".":
            continue
        for i, rule in enumerate(rules):
            if (i + k) % 4 != 0:
                continue
            with tempfile.TemporaryDirectory(dir=place.dir) as folder:
                shutil.copytree(path, folder, dirs_exist_ok=True)
                if not spoil_collateral(folder, rule):
                    continue
                late = any("TIME" in r for r in rule["expect_any"])
                args = ["tdx", os.path.join(path, "quote.bin"), "--at", e["at"], "--collateral",
                        folder]
                code = confd("verify", *args, ok=False).returncode if late else 2
                check(code in (2, 3), rule["id"], code)
                verify("tdx, collateral", code, *args)


# ---- GPUs


def gpu_args(path, case, report="report.bin"):
    return ["gpu", os.path.join(path, report), "--chain", os.path.join(path, "gpu_cert_chain.pem"),
            *have("--rim", os.path.join(path, "vbios_rim.xml")),
            *have("--rim", os.path.join(path, "driver_rim.xml")),
            "--nonce", case["nonce"], "--at", case["verification_time"]]


def test_every_gpu_case():
    """None comes with OCSP responses: what is genuine is incomplete, unless
    that is expected."""
    waived = ["--expect", "revocation=missing"]
    for path, case in cases("gpu"):
        args, overall = gpu_args(path, case), case["expect"]["overall"]
        code = {"accept": 0, "reject": 2}.get(overall, 3)
        out = verify("gpu", code or 3, *args)
        if code == 0:
            check(failed(out) == {"gpu.policy.revocation"}, failed(out))
        out = verify("gpu, revocation waived", code, *args, *waived)
        if code != 0:
            continue
        claims = out["claims"]
        check(claims["vbios"] == case["vbios_version"] and claims["nonce"] == case["nonce"])
        check(claims.get("driver", "") == (case["driver_version"] or ""), claims)
        other = "00" + case["nonce"][2:]
        verify("gpu, nonce", 2, *[other if a == case["nonce"] else a for a in args], *waived)
        no_nonce = [a for a in args if a not in ("--nonce", case["nonce"])]
        verify("gpu, nonce", 3, *no_nonce, *waived)
        for rim in ("vbios_rim.xml", "driver_rim.xml"):
            if os.path.exists(os.path.join(path, rim)):
                i = args.index(os.path.join(path, rim))
                verify("gpu, missing", 3, *args[:i - 1], *args[i + 1:], *waived)


def test_gpu_mutations_are_refused():
    path, case = next((p, c) for p, c in cases("gpu") if c["expect"]["overall"] == "accept")
    report = read(path, "report.bin")
    args, n = gpu_args(path, case), 0
    for rule in json.loads(read(at("gpu"), "NEGATIVE_RULES.json"))["report_rules"]:
        if rule["op"] not in ("set", "xor"):
            continue
        start = case["layout"][rule["base"]][0]
        args[1] = written("report", mutate(report, rule, start))
        verify("gpu, mutations", 2, *args)
        n += 1
    check(n > 10, n)
    other = next(p for p, c in cases("gpu") if p != path and c["expect"]["report_layer"] == "valid")
    args = gpu_args(path, case)
    args[3] = os.path.join(other, "gpu_cert_chain.pem")
    verify("gpu, mutations", 2, *args)


def pem_blocks(data):
    return re.findall(rb"-----BEGIN.*?-----END CERTIFICATE-----\n?", data, re.S)


def test_gpu_chain_rules():
    waived = ["--expect", "revocation=missing"]
    chains = {p: pem_blocks(read(p, "gpu_cert_chain.pem")) for p, _ in cases("gpu")}
    for path, case in cases("gpu"):
        if case["expect"]["report_layer"] != "valid":
            continue
        own = chains[path]
        other = next(c for c in chains.values() if c[0] != own[0])
        rim_root = read(at("roots"), "nvidia_rim_root.pem")
        for changed in (own[1:], own[:4], own[:4] + [rim_root], [other[0]] + own[1:], other,
                        own[::-1], own + own[4:], own[:1] * 5, [own[1], own[0], *own[2:]]):
            args = gpu_args(path, case)
            args[3] = written("chain.pem", b"".join(changed))
            check(verify("gpu, chains", 2, *args, *waived)["claims"] == {})
        args[3] = written("chain.pem", b"")
        verify("gpu, chains", 3, *args, *waived)


def spoilt_rims(xml):
    """Each rule about reference values, applied."""
    first = re.search(rb"<[^<>]*Resource[^<>]*active=\"True\"[^<>]*Hash0=\"([0-9a-fA-F])", xml)
    payload = re.search(rb"<(\w+:)?Payload.*</(\w+:)?Payload>", xml, re.S)[0]
    signature = re.search(rb"<(\w+:)?Signature[ >].*</(\w+:)?Signature>", xml, re.S)[0]
    value = xml.index(b"SignatureValue>") + 20
    end = xml.rindex(b"</")
    start = xml.index(b"<SoftwareIdentity")
    yield xml[:first.start(1)] + (b"1" if first[1] == b"0" else b"0") + xml[first.end(1):]
    yield xml.replace(b'active="True"', b'active="False"', 1)
    yield re.sub(rb'colloquialVersion="[^"]*"', b'colloquialVersion="9.9"', xml)
    yield xml[:value] + (b"B" if xml[value:value + 1] == b"A" else b"A") + xml[value + 1:]
    yield xml.replace(signature, b"")
    yield xml.replace(signature, signature * 2)
    yield xml.replace(payload, payload * 2)
    yield xml[:end] + payload + xml[end:]
    yield b"<x>" + xml[start:] + b"</x>"
    yield xml[:start] + b'<!DOCTYPE x [<!ENTITY y "z">]>' + xml[start:]
    yield xml[:start] + b"<?x y?>" + xml[start:]
    yield xml.replace(b'active="True"', b'active="&y;"', 1)
    yield xml.replace(b'active="True"', b'active="True" active="False"', 1)
    yield xml.replace(b'URI=""', b'URI="#x"')
    yield xml.replace(b"<SoftwareIdentity ", b'<SoftwareIdentity Id="x" ', 1)
    yield xml.replace(b"<SoftwareIdentity ", b'<SoftwareIdentity xmlns:x="urn:x" ', 1)
    yield b"<a>" * 100000
    yield xml + b"\0"
    yield b"not XML"


def test_gpu_rim_rules():
    waived = ["--expect", "revocation=missing"]
    for path, case in cases("gpu"):
        if case["expect"]["overall"] != "accept":
            continue
        rims = [n for n in ("driver_rim.xml", "vbios_rim.xml")
                if os.path.exists(os.path.join(path, n))]
        for rim in rims:
            args = gpu_args(path, case)
            i = args.index(os.path.join(path, rim))
            for changed in spoilt_rims(read(path, rim)):
                check(changed != read(path, rim))
                args[i] = written("rim.xml", changed)
                check(verify("gpu, rims", 2, *args, *waived)["claims"] == {}, changed[:200])
        after = [r["leaf_not_after"].replace(" ", "T") + "Z" for r in case["rims"]]
        args = gpu_args(path, case)
        args[args.index("--at") + 1] = re.sub(r"^\d+", lambda m: str(int(m[0]) + 1), min(after))
        verify("gpu, rims", 3, *args, *waived)


def test_signatures_of_every_rim():
    """Under a report of another version: what is said of the RIM itself."""
    path, case = next((p, c) for p, c in cases("gpu") if c["driver_version"]
                      and c["expect"]["overall"] == "accept")
    with open(at("gpu", "_rims", "INDEX.json")) as f:
        index = json.load(f)
    for rim in index:
        vbios = rim["colloquial_version"].count(".") == 4
        args = [a for a in gpu_args(path, case) if a != "--rim" and not a.endswith("_rim.xml")]
        keep = "driver_rim.xml" if vbios else "vbios_rim.xml"
        args += ["--rim", os.path.join(path, keep), "--rim", at("gpu", "_rims", rim["file"])]
        code = confd("verify", *args, ok=False).returncode
        steps = {s["step"]: s["ok"] for s in verify("gpu, rims", code, *args)["trace"]}
        step = "gpu.vbios_rim." if vbios else "gpu.driver_rim."
        good = rim["chain_links_ok"] and rim["root_is_nvidia_rim_root"]
        if not steps[step + "form"]:  # certificates of another number
            check(not good, rim["file"])
            continue
        check(steps[step + "signature"] == rim["xml_signature_valid"], rim["file"], steps)
        check(steps[step + "chain"] == good, rim["file"], steps)


def test_gpu_rims_of_other_versions_are_passed_over():
    path, case = next((p, c) for p, c in cases("gpu") if c["expect"]["overall"] == "accept"
                      and c["driver_version"])
    rims = [x for n in sorted(os.listdir(at("gpu", "_rims")))[:6] if n.endswith(".xml")
            for x in ("--rim", at("gpu", "_rims", n))]
    args = gpu_args(path, case)
    verify("gpu, many rims", 0, *args, *rims, "--expect", "revocation=missing")
    verify("gpu, many rims", 2, *[a for a in args if not a.endswith("_rim.xml") and a != "--rim"],
           *rims, "--expect", "revocation=missing")


# ---- Expectations, manifests, usage


def test_expectations():
    path, case = next((p, c) for p, c in cases("snp") if not c["policy_flags"])
    args, f = snp_args(path, case), case["fields"]
    good = ["measurement=" + f["measurement"], "measurement=" + f["measurement"].upper(),
            "report_data=" + f["report_data"], "vmpl=0", "vmpl=0x0",
            "product=" + case["product"], f"policy={f['policy']}", "debug=false",
            f"reported_tcb.snp={f['reported_tcb']['snp']}", "key=" + case["signer"]]
    for e in good:
        out = verify("expectations", 0, *args, "--expect", e)
        check(out["trace"][-1]["step"] == "expect." + e.split("=")[0], out["trace"][-1])
    bad = ["measurement=" + "00" * 48, "vmpl=1", "product=Rome", "debug=true", "version=9",
           "host_data=" + "11" * 32]
    for e in bad:
        out = verify("expectations", 2, *args, "--expect", e)
        check(any(s.endswith(e.split("=")[0]) for s in failed(out)), failed(out))
    for e, word in (("measurement=00", "96 hex digits"), ("mesurement=00", "'measurement'"),
                    ("vmpl=x", "a number"), ("debug=yes", "true or false"), ("vmpl", "NAME=VALUE")):
        done = confd("verify", *args, "--expect", e, ok=False)
        check(done.returncode == 64 and word in done.stderr and done.stdout == "", e, done)
    done = confd("verify", *args, "--expect", "vmpl=0", "--expect", "vmpl=0", ok=False)
    check(done.returncode == 64 and "twice" in done.stderr, done)


def snp_manifest(case, name="m.json", **change):
    f = case["fields"]
    tcb = {k: 0 for k in ("bootloader", "tee", "snp", "microcode")}
    policy = {"tee": "snp", "products": [case["product"]], "measurements": [f["measurement"]],
              "min_tcb": tcb, "vmpl": 0,
              "guest_policy": {"debug": False, "migrate": False, "smt": True}, **change}
    if not os.path.exists(place.path("base.json")):
        confd("key", "sim-root", "--out", place.path("root.pem"))
        confd("manifest", "generate", "--sim-root", place.path("root.pem"), "--group", "llama",
              "--image", "any", "--out", place.path("base.json"))
    m = json.loads(read(place.path("base.json")))
    m["policies"]["box"] = policy
    written(name, json.dumps(m).encode())
    return place.path(name)


def test_a_manifest_takes_the_place_of_the_defaults():
    path, case = next((p, c) for p, c in cases("snp") if not c["policy_flags"] and
                      c["signer"] == "VCEK")
    args = snp_args(path, case)
    good = snp_manifest(case)
    out = verify("manifest", 0, *args, "--manifest", good)
    check("which program runs" not in str(out["not_proven"]), out["not_proven"])
    verify("manifest", 0, *args, "--manifest", good, "--policy", "box")
    out = verify("manifest", 2, *args, "--manifest", snp_manifest(case, measurements=["00" * 48]))
    check(failed(out) == {"policy.measurement"}, failed(out))
    verify("manifest", 2, *args, "--manifest", snp_manifest(case, vmpl=1))
    for more, word in ((["--manifest", good, "--policy", "nope"], "nope"),
                       (["--policy", "box"], "--manifest"),
                       (["--manifest", good, "--policy", "sim"], "sim")):
        done = confd("verify", *args, *more, ok=False)
        check(done.returncode == 64 and word in done.stderr, done)
    done = confd("verify", "gpu", "x", "--chain", "x", "--manifest", good, ok=False)
    check(done.returncode == 64 and "gpu" in done.stderr, done)


def test_wrong_usage():
    for args in (["snp"], ["snp", "a", "b"], ["gpu", "x"], ["snp", "x", "--at", "now"],
                 ["tdx", "x", "--vcek", "y"], ["gpu", "x", "--chain", "x", "--nonce", "00"],
                 ["collect"], ["collect", "--nonce", "00"], ["bundle", "x", "--policy", "p"],
                 ["collect", "--report-data", "0", "--tee", "sim"]):
        done = confd("verify", *args, ok=False)
        check(done.returncode == 64 and done.stdout == "", args, done)
    for time in ("now", "2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00+01:00", ""):
        done = confd("verify", "snp", "x", "--at", time, ok=False)
        check(done.returncode == 64 and "--at" in done.stderr, done)
    done = confd("verify", "tdx", "/dev/null", "--trust-root", written("bad", b"x"), ok=False)
    check(done.returncode == 78 and "--trust-root" in done.stderr, done)


# ---- collect, bundle, fetch-collateral


def test_what_is_collected_can_be_verified():
    root, nonce, zero = place.path("sim.pem"), "ab" * 32, "00" * 32
    confd("key", "sim-root", "--out", root)
    confd("manifest", "generate", "--sim-root", root, "--group", "llama", "--image", "any",
          "--out", place.path("sim.json"))
    done = confd("verify", "collect", "--tee", "sim", "--sim-root", root, "--nonce", nonce)
    bundle = written("bundle.json", done.stdout.encode())
    args = ["bundle", bundle, "--purpose", "user-data", "--expect", "nonce=" + nonce,
            "--expect", "spki=" + zero, "--expect", "keys=" + zero, "--expect", "exporter=none",
            "--expect", "manifest=none"]
    by = ["--manifest", place.path("sim.json")]
    out = verify("bundle", 0, *args, *by, "--expect", "debug=false", "--policy", "sim")
    check(out["tee"] == "sim" and "hardware" in out["not_proven"][0], out)
    verify("bundle", 2, *args, *by, "--expect", "debug=true")
    verify("bundle", 2, *[a.replace("user-data", "as") for a in args], *by)
    verify("bundle", 2, *[a.replace(nonce, zero) for a in args], *by)
    verify("bundle", 3, "bundle", bundle, "--purpose", "user-data", *by)
    verify("bundle", 2, *args)  # nobody names the root of a software TEE
    verify("bundle", 2, "bundle", written("b", b"{}"), *by)
    data = confd("verify", "collect", "--sim-root", root, "--report-data", "0xABCD").stdout
    out = json.loads(data)
    check(out["tee"] == "sim" and out["report_data"] == "abcd" + "00" * 62, out)
    check(bytes.fromhex(out["report_data"]) in base64.b64decode(out["report"]), out)


def urls(path, *more):
    out = json.loads(confd("verify", "fetch-collateral", path, "--json", *more).stdout)
    return out["tee"], [u["url"] for u in out["urls"]]


def test_fetch_collateral_names_the_services():
    for path, case in cases("snp"):
        tee, found = urls(os.path.join(path, "report.bin"))
        check(tee == "snp" and all(u.startswith("https://kdsintf.amd.com/") for u in found), found)
        f = case["fields"]
        if case["signer"] == "VCEK" and f["report_data"]:
            size = 16 if case["product"] == "Turin" else 128
            check(any(f"/vcek/v1/{case['product']}/{f['chip_id'][:size]}?" in u and
                      f"ucodeSPL={f['reported_tcb']['ucode']:02}" in u for u in found), found)
        check(any(u.endswith(f"/{case['product']}/cert_chain") for u in found), found)
        check(any(u.endswith(f"/{case['product']}/crl") for u in found), found)
    for path, case in cases("tdx"):
        tee, found = urls(os.path.join(path, "quote.bin"))
        fmspc = os.path.basename(path).split("-")[1] + "0000"
        check(tee == "tdx" and any(u.endswith("/v4/tcb?fmspc=" + fmspc) for u in found), found)
    for path, case in cases("gpu"):
        tee, found = urls(os.path.join(path, "report.bin"), "--chain",
                          os.path.join(path, "gpu_cert_chain.pem"))
        vbios = case["vbios_version"].replace(".", "").upper()
        check(tee == "gpu" and any(u.endswith("_" + vbios) for u in found), found)
    for args in (["--online"], ["--out", place.path("x")]):
        done = confd("verify", "fetch-collateral", os.path.join(path, "report.bin"), *args, ok=False)
        check(done.returncode == 64 and "go together" in done.stderr, done)
    check(confd("verify", "fetch-collateral", written("junk", b"junk"), ok=False).returncode != 0)


class Maker(http.server.BaseHTTPRequestHandler):
    """What the makers' services would answer: by path."""

    protocol_version = "HTTP/1.1"
    answers = {}

    def reply(self):
        if "content-length" in self.headers:
            asked.append(self.rfile.read(int(self.headers["content-length"])))
        status, body, headers = self.answers.get(self.path, (404, b"no", {}))
        self.send_response(status)
        for name, value in {"content-length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = reply

    def log_message(self, *args):
        pass


asked = []


@contextlib.contextmanager
def maker(answers, cert=None):
    """A mirror's URL."""
    Maker.answers = answers
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Maker)
    if cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*cert)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if cert else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def fetch(path, url, out, *more, code=0):
    done = confd("verify", "fetch-collateral", path, "--online", "--out", out, "--mirror", url,
                 "--json", *more, ok=False)
    check(done.returncode == code, done)
    return json.loads(done.stdout)["urls"] if done.stdout else done.stderr


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def path_of(url):
    return "/" + url.split("/", 3)[3]


def test_fetches_what_intel_serves_and_it_verifies():
    for path, case in cases("tdx"):
        if case["expect"]["result"] == "valid" and case["expect"]["tcb_status"] == "UpToDate":
            break
    else:
        raise Skip("no case that is up to date")
    quote, answers = os.path.join(path, "quote.bin"), {}
    chain = {n: read(path, n) for n in os.listdir(path) if n.endswith("chain.pem")}
    chain["pck_crl_issuer_chain.pem"] = chain["pck_chain.pem"].split(b"-----END CERTIFICATE-----\n", 1)[1]
    chain = {n: urllib.parse.quote(text) for n, text in chain.items()}
    for url in urls(quote)[1]:
        name, header = next(v for k, v in {
            "/tcb?": ("tcb_info.json", ("TCB-Info-Issuer-Chain", "tcb_info_issuer_chain.pem")),
            "identity": ("qe_identity.json", ("SGX-Enclave-Identity-Issuer-Chain",
                                              "qe_identity_issuer_chain.pem")),
            "pckcrl": ("pck_crl.der", ("SGX-PCK-CRL-Issuer-Chain", "pck_crl_issuer_chain.pem")),
            "RootCA": ("root_ca_crl.der", None)}.items() if k in url)
        answers[path_of(url)] = (200, read(path, name),
                                 {header[0]: chain[header[1]]} if header else {})
    at = ["--at", case["verification_time"]]
    wanted = confd("verify", "tdx", quote, "--collateral", path, *at, ok=False).returncode
    with maker(answers) as url:
        got = fetch(quote, url, place.path("tdx"))
        check(all(u["saved"] for u in got), got)
        done = confd("verify", "tdx", quote, "--collateral", place.path("tdx"), *at, ok=False)
        check(done.returncode == wanted == 0, done)
        # What is missing is said, and the rest is saved.
        gone = next(p for p in answers if "identity" in p)
        Maker.answers = {**answers, gone: (500, b"", {})}
        got = fetch(quote, url, place.path("tdx2"), code=69)
        check([("500" in u.get("failed", "")) for u in got].count(True) == 1, got)
        check(sorted(os.listdir(place.path("tdx2"))) ==
              sorted(n for n in os.listdir(place.path("tdx")) if "qe_identity" not in n), got)
        Maker.answers = {**answers, gone: (200, read(path, "qe_identity.json"), {})}
        got = fetch(quote, url, place.path("tdx3"), code=69)
        check(any("has no header" in u.get("failed", "") for u in got), got)
        Maker.answers = {**answers, gone: (200, b"x" * 1100000, {})}
        fetch(quote, url, place.path("tdx4"), code=69)
        check(not os.path.exists(place.path("tdx4/qe_identity.json")))


def test_fetches_what_amd_serves_for_a_report_that_does_not_name_its_product():
    for path, case in cases("snp"):
        if case["report_version"] == 2 and case["product"] == "Milan" and case["signer"] == "VCEK":
            break
    else:
        raise Skip("no vectors (CONFD_VECTORS)")
    report = os.path.join(path, "report.bin")
    found = [path_of(u) for u in urls(report)[1]]
    files = ["vcek.der", "cert_chain.pem", "crl.der"]
    answers = {p: (200, read(path, n) if os.path.exists(os.path.join(path, n)) else b"-", {})
               for p, n in zip(found, files)}
    with maker(answers) as url:
        got = fetch(report, url, place.path("milan"))
        check([u.get("saved") for u in got] == files + [None] * 3, got)
        check(read(place.path("milan"), "vcek.der") == read(path, "vcek.der"))
        Maker.answers = {p.replace("Milan", "Genoa"): a for p, a in answers.items()}
        got = fetch(report, url, place.path("genoa"))
        check([u.get("saved") for u in got] == [None] * 3 + files, got)
        Maker.answers = {}
        got = fetch(report, url, place.path("none"), code=69)
        check(not any("saved" in u for u in got) and not os.listdir(place.path("none")), got)


def test_fetches_what_nvidia_serves():
    for path, _ in cases("gpu"):
        break
    else:
        raise Skip("no vectors (CONFD_VECTORS)")
    report, chain = os.path.join(path, "report.bin"), os.path.join(path, "gpu_cert_chain.pem")
    rims = [b"<driver/>", b"<vbios/>"]
    found = [path_of(u) for u in urls(report, "--chain", chain)[1]]
    answers = {p: (200, json.dumps({"id": "x", "rim": base64.b64encode(r).decode()}).encode(), {})
               for p, r in zip(found, rims)}
    with maker({**answers, "/": (200, b"response", {})}) as url:
        del asked[:]
        got = fetch(report, url, place.path("gpu"), "--chain", chain)
        check([u["saved"] for u in got] == ["driver_rim.xml", "vbios_rim.xml", "ocsp"], got)
        check([read(place.path("gpu"), n) for n in ("driver_rim.xml", "vbios_rim.xml")] == rims)
        check(len(os.listdir(place.path("gpu/ocsp"))) == len(asked) == 3, asked)
        for request in asked:
            done = subprocess.run(["openssl", "ocsp", "-reqin", "/dev/stdin", "-req_text"],
                                  input=request, capture_output=True, timeout=20)
            check(b"Hash Algorithm: sha384" in done.stdout, done)
        got = fetch(report, url, place.path("gpu2"), code=69)
        check("--chain" in got[-1]["failed"], got)


def test_a_server_that_is_not_who_it_should_be_is_asked_nothing():
    key, cert, other = (place.path(n) for n in ("tls.key", "tls.pem", "other.pem"))
    for name, ip, to in (("a", "127.0.0.1", cert), ("b", "127.0.0.2", other)):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                        place.path(name + ".key"), "-out", to, "-days", "30", "-subj",
                        "/CN=" + name, "-addext", "subjectAltName=IP:" + ip], check=True,
                       capture_output=True, timeout=60)
    for path, _ in cases("tdx"):
        quote = os.path.join(path, "quote.bin")
        break
    else:
        raise Skip("no vectors (CONFD_VECTORS)")
    answers = {path_of(u): (200, b"-", {"TCB-Info-Issuer-Chain": "c",
                                        "SGX-Enclave-Identity-Issuer-Chain": "c",
                                        "SGX-PCK-CRL-Issuer-Chain": "c"}) for u in urls(quote)[1]}
    with maker(answers, (cert, place.path("a.key"))) as url:
        fetch(quote, url, place.path("t1"), "--ca", cert)
        for ca in (other, None):
            got = fetch(quote, url, place.path("t2"), *(["--ca", ca] if ca else []),
                        code=69 if ca or os.path.exists("/etc/ssl/certs/ca-certificates.crt") else 78)
            check(not os.listdir(place.path("t2")), got)
        check("none that can be read" in fetch(quote, url, place.path("t3"), "--ca",
                                             os.path.join(path, "case.json"), code=69)
              [0]["failed"])
    with maker(answers, (other, place.path("b.key"))) as url:
        got = fetch(quote, url, place.path("t4"), "--ca", other, code=69)
        check("certificate" in got[0]["failed"], got)


def test_table():
    """Not a test: what came of all the others."""
    if not table:
        raise Skip("no vectors (CONFD_VECTORS)")
    print(f"{'':28} {'ok':>6} {'refused':>8} {'incomplete':>11} {'WRONG':>6}")
    for kind, row in table.items():
        print(f"{kind:28} {row[0]:6} {row[2]:8} {row[3]:11} {row['wrong']:6}")
    check(sum(row["wrong"] for row in table.values()) == 0)


try:
    run(globals())
finally:
    place.close()
