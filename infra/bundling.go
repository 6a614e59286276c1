package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"
)

// program is the function's package.
const program = "wschat/lambda"

// code is the function's program, compiled while the app runs, by Go on this machine. The asset is known by what comes
// out, and the same source gives the same bytes. root is the folder that moduleRoot returns.
func code(s settings, root string) awslambda.Code {
	return awslambda.Code_FromAsset(&root, &awss3assets.AssetOptions{
		AssetHashType: awscdk.AssetHashType_OUTPUT,
		Bundling: &awscdk.BundlingOptions{
			Image: awscdk.DockerImage_FromRegistry(jsii.String("none: Go compiles the function on this machine")),
			Local: &compiler{root: root, goarch: map[string]string{"arm64": "arm64",
				"x86_64": "amd64"}[s.architecture]},
		},
	})
}

// compiler builds the function. The CDK calls it.
type compiler struct{ root, goarch string }

// TryBundle compiles into the folder. It returns true: there is no other way to fall back on. A compiler error ends the
// app, with what the compiler says.
func (c *compiler) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	if err := compile(c.root, *outputDir, c.goarch); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
	return jsii.Bool(true)
}

// compile builds the function for Lambda: static, with a minified page, and without the paths of this machine or the
// state of its checkout. Lambda's arm64 is a Graviton2
// (https://docs.aws.amazon.com/lambda/latest/dg/foundation-arch.html), which has the atomic instructions of Arm 8.1, so
// the program need not ask for them each time.
func compile(root, dir, goarch string) error {
	page, err := os.MkdirTemp("", "page")
	if err != nil {
		return err
	}
	defer os.RemoveAll(page)
	overlay, err := minify(root, page)
	if err != nil {
		return err
	}
	args := []string{"build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-overlay", overlay,
		"-ldflags", "-s -w -buildid="}
	build := exec.Command("go", append(append(args, smaller()...), "-o", filepath.Join(dir, "bootstrap"), program)...)
	build.Dir = root
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+goarch, "GOARM64=v8.0,lse", "CGO_ENABLED=0",
		"GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the function: %w\n%s", err, out)
	}
	return nil
}

// smaller are compiler flags that leave out inlining where it buys little time: in all but what a fan-out and its posts
// spend their time in. It makes the program, which Lambda loads at each cold start, 0.6 MB smaller. Posts take as long
// as before (go test -bench Post ./pkg/management, with and without).
func smaller() (flags []string) {
	for _, packages := range []string{
		"github.com/...", "golang.org/...", "vendor/...", "compress/...", "crypto/...", "encoding/...", "fmt",
		"hash/...", "io/...", "log/...", "math/big", "mime/...", "net", "net/netip", "net/textproto", "net/url",
		"os/...", "path/...", "regexp/...", "strconv", "text/...", "time", "unicode", "wschat/...",
	} {
		flags = append(flags, "-gcflags="+packages+"=-l")
	}
	for _, hot := range []string{
		"crypto/hmac", "crypto/internal/fips140/aes/...", "crypto/internal/fips140/hmac",
		"crypto/internal/fips140/sha256", "crypto/sha256", "encoding/json",
		"github.com/aws/aws-sdk-go-v2/aws/signer/...", "wschat/pkg/broadcast", "wschat/pkg/management",
	} {
		flags = append(flags, "-gcflags="+hot+"=") // the last one that names a package counts
	}
	return flags
}

// moduleRoot returns the folder of the checkout that the working directory is in. It asks the go command, because a
// program that was built with -trimpath does not know where its source is.
func moduleRoot() (string, error) {
	list := exec.Command("go", "list", "-find", "-f", "{{.Module.Dir}}", program)
	var said strings.Builder
	list.Stderr = &said
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("the function's source is not here: run this in the project's folder, where cdk.json "+
			"is, with Go on PATH (go list %s: %w: %s)", program, err, strings.Join(strings.Fields(said.String()), " "))
	}
	return strings.TrimRight(string(out), "\r\n"), nil
}
