// What other verifiers take for the evidence that test/bench/verify.c takes:
// "NAME VALUE UNIT" a line, in CPU time of the whole process, collector
// included.  The argument is the folder of the vectors.
package main

import (
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	snp "github.com/google/go-sev-guest/verify"
	tdx "github.com/google/go-tdx-guest/verify"
)

const (
	snpCase = "snp/milan-v2-vcek-oak-071c9784"
	snpNow  = 1747224000
	tdxCase = "tdx/v4-00806f05-openpcc-341e069a"
	tdxNow  = 1760917730
	tries   = 5
	enough  = 300 * time.Millisecond
)

var (
	vectors string
	out     *os.File
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(out, "peers skipped:", err)
		os.Exit(1)
	}
}

func read(folder, name string) []byte {
	data, err := os.ReadFile(filepath.Join(vectors, folder, name))
	must(err)
	return data
}

func fromPEM(data []byte) []byte {
	block, _ := pem.Decode(data)
	return block.Bytes
}

func cpu() time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure prints the best of some tries.
func measure(name string, fn func() error) {
	if err := fn(); err != nil {
		fmt.Fprintf(out, "%s skipped: it refuses the evidence: %v\n", name, err)
		return
	}
	best := time.Hour
	for i := 0; i < tries; i++ {
		n, from := 0, cpu()
		for cpu()-from < enough {
			must(fn())
			n++
		}
		if each := (cpu() - from) / time.Duration(n); each < best {
			best = each
		}
	}
	fmt.Fprintf(out, "%s %.0f /s %d ns\n", name, 1e9/float64(best), best)
}

func snpCheck() func() error {
	report, vcek := read(snpCase, "report.bin"), read(snpCase, "vcek.der")
	ask, ark := fromPEM(read(snpCase, "ask.pem")), fromPEM(read(snpCase, "ark.pem"))
	return func() error {
		r, err := abi.ReportToProto(report)
		if err != nil {
			return err
		}
		return snp.SnpAttestation(&spb.Attestation{
			Report: r,
			CertificateChain: &spb.CertificateChain{
				VcekCert: vcek, AskCert: ask, ArkCert: ark},
		}, &snp.Options{
			DisableCertFetching: true,
			Now:                 time.Unix(snpNow, 0),
			Product:             &spb.SevProduct{Name: spb.SevProduct_SEV_PRODUCT_MILAN},
		})
	}
}

// service answers as Intel's would, from files.
type service struct{ file map[string][]byte }

func (s service) Get(address string) (map[string][]string, []byte, error) {
	chain := func(name string) []string {
		return []string{url.QueryEscape(string(s.file[name]))}
	}
	switch {
	case strings.Contains(address, "/tcb?"):
		return map[string][]string{"Tcb-Info-Issuer-Chain": chain("tcb_info_issuer_chain.pem")},
			s.file["tcb_info.json"], nil
	case strings.Contains(address, "/qe/identity"):
		return map[string][]string{"Sgx-Enclave-Identity-Issuer-Chain": chain(
			"qe_identity_issuer_chain.pem")}, s.file["qe_identity.json"], nil
	case strings.Contains(address, "/pckcrl?"):
		return map[string][]string{"Sgx-Pck-Crl-Issuer-Chain": chain("pck_ca")},
			s.file["pck_crl.der"], nil
	}
	return nil, s.file["root_ca_crl.der"], nil
}

func tdxCheck(whole bool) func() error {
	quote := read(tdxCase, "quote.bin")
	files := service{map[string][]byte{}}
	for _, name := range []string{"tcb_info.json", "tcb_info_issuer_chain.pem", "qe_identity.json",
		"qe_identity_issuer_chain.pem", "root_ca_crl.der", "pck_crl.der", "pck_chain.pem"} {
		files.file[name] = read(tdxCase, name)
	}
	_, files.file["pck_ca"] = pem.Decode(files.file["pck_chain.pem"])
	return func() error {
		return tdx.RawTdxQuote(quote, &tdx.Options{
			GetCollateral:    whole,
			CheckRevocations: whole,
			Getter:           files,
			Now:              time.Unix(tdxNow, 0),
		})
	}
}

// quiet keeps standard output for the figures: the verifiers log to it.
func quiet() {
	fd, err := syscall.Dup(1)
	out = os.NewFile(uintptr(fd), "out")
	must(err)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	must(err)
	must(syscall.Dup2(int(null.Fd()), 1))
	must(syscall.Dup2(int(null.Fd()), 2))
}

func main() {
	vectors = os.Args[1]
	quiet()
	measure("snp_go_sev_guest", snpCheck())
	measure("tdx_go_tdx_guest", tdxCheck(true))
	measure("tdx_go_tdx_guest_quote", tdxCheck(false))
}
