package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"
)

// code is the function's program, compiled while the app runs, by Go on this machine. The asset is known by what comes
// out, and the same source gives the same bytes.
func code(s settings) awslambda.Code {
	return awslambda.Code_FromAsset(jsii.String(moduleRoot()), &awss3assets.AssetOptions{
		AssetHashType: awscdk.AssetHashType_OUTPUT,
		Bundling: &awscdk.BundlingOptions{
			Image: awscdk.DockerImage_FromRegistry(jsii.String("none: Go compiles the function on this machine")),
			Local: &compiler{goarch: map[string]string{"arm64": "arm64", "x86_64": "amd64"}[s.architecture]},
		},
	})
}

// compiler builds the function. The CDK calls it.
type compiler struct{ goarch string }

// TryBundle compiles into the folder. It returns true: there is no other way to fall back on. A compiler error ends the
// app, with what the compiler says.
func (c *compiler) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	if err := compile(*outputDir, c.goarch); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
	return jsii.Bool(true)
}

// compile builds the function for Lambda: static, without the paths of this machine or the state of its checkout.
func compile(dir, goarch string) error {
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=",
		"-o", filepath.Join(dir, "bootstrap"), "./lambda")
	build.Dir = moduleRoot()
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the function: %w\n%s", err, out)
	}
	return nil
}

// moduleRoot is this checkout.
func moduleRoot() string {
	_, file, _, _ := goruntime.Caller(0)
	return filepath.Dir(filepath.Dir(file))
}
