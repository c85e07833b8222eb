package config_test

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// TestGitOpsSample looks at what the overlays of the example repository come to: the pipeline must find its mapping, and
// the mapping must be the file that was checked.
func TestGitOpsSample(t *testing.T) {
	const folder = "samples/gitops"
	file, err := os.ReadFile(filepath.Join(folder, "base", "mapping.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	urls := map[string]bool{}
	for _, overlay := range []string{"staging", "production"} {
		objects := render(t, filepath.Join(folder, "overlays", overlay))
		pipelines := only[v1alpha1.ProvisioningPipeline](t, objects, "ProvisioningPipeline")
		configs := only[corev1.ConfigMap](t, objects, "ConfigMap")
		if len(pipelines) != 1 || len(configs) != 1 {
			t.Fatalf("%s: %d pipelines and %d ConfigMaps, want one of each", overlay, len(pipelines), len(configs))
		}
		pipeline, config := pipelines[0], configs[0]
		if pipeline.Spec.MappingRef.Name != config.Name || pipeline.Namespace != config.Namespace || pipeline.Namespace != "orders-"+overlay {
			t.Errorf("%s: the pipeline %s/%s wants the mapping %s, and there is %s/%s", overlay,
				pipeline.Namespace, pipeline.Name, pipeline.Spec.MappingRef.Name, config.Namespace, config.Name)
		}
		if config.Data["mapping.yaml"] != string(file) {
			t.Errorf("%s: the mapping is not base/mapping.yaml:\n%s", overlay, config.Data["mapping.yaml"])
		}
		for _, object := range objects {
			if object.GetKind() == "Secret" {
				t.Errorf("%s has the Secret %s", overlay, object.GetName())
			}
		}
		urls[pipeline.Spec.Whmcs.URL] = true
	}
	if len(urls) != 2 {
		t.Errorf("the overlays order in %v, want a WHMCS for each", urls)
	}
}
