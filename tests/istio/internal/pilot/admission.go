package pilot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	admission "k8s.io/api/admission/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"

	"istio.io/istio/pkg/config/crd"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/test/env"
	"istio.io/istio/pkg/webhooks/validation/server"
)

// Review is the result of the admission of a manifest.
type Review struct {
	// Manifest is kind and name.
	Manifest string
	// Rejection is empty when the manifest is accepted.
	Rejection string
	Warnings  []string
}

// crds checks manifests with Istio's CRDs, as the API server does: types, values and unknown fields, which the webhook does
// not check.
var crds = sync.OnceValues(func() (*crd.Validator, error) {
	file := filepath.Join(env.IstioSrc, "manifests/charts/base/files/crd-all.gen.yaml")
	return crd.NewValidatorFromFilesWithOptions([]string{file}, crd.WithoutCRDValidation())
})

// Admit checks each manifest of a YAML stream with Istio's CRDs, and then with Istio's validating webhook over HTTP.
func Admit(t testing.TB, manifests string) []Review {
	t.Helper()
	validator, err := crds()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	if _, err := server.New(server.Options{Schemas: collections.Pilot, DomainSuffix: "cluster.local", Mux: mux}); err != nil {
		t.Fatal(err)
	}
	var reviews []Review
	for object, err := range Documents(manifests) {
		if err != nil {
			t.Fatalf("%v:\n%s", err, manifests)
		}
		review, err := ask(mux, object)
		if err != nil {
			t.Fatalf("%s: %v", review.Manifest, err)
		}
		if err := validator.ValidateCustomResource(object); err != nil {
			review.Rejection = err.Error()
		}
		reviews = append(reviews, review)
	}
	return reviews
}

func ask(webhook http.Handler, object *unstructured.Unstructured) (Review, error) {
	review := Review{Manifest: object.GetKind() + " " + object.GetName()}
	raw, err := object.MarshalJSON()
	if err != nil {
		return review, err
	}
	gvk := object.GroupVersionKind()
	sent := admission.AdmissionReview{Request: &admission.AdmissionRequest{
		UID:       types.UID(object.GetName()),
		Kind:      meta.GroupVersionKind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind},
		Namespace: object.GetNamespace(),
		Name:      object.GetName(),
		Operation: admission.Create,
		Object:    runtime.RawExtension{Raw: raw},
	}}
	sent.APIVersion, sent.Kind = "admission.k8s.io/v1", "AdmissionReview"
	body, err := json.Marshal(sent)
	if err != nil {
		return review, err
	}
	request := httptest.NewRequest(http.MethodPost, "/validate", bytes.NewReader(body))
	request.Header.Set("content-type", "application/json")
	recorder := httptest.NewRecorder()
	webhook.ServeHTTP(recorder, request)
	var response admission.AdmissionReview
	if err := json.Unmarshal(recorder.Body.Bytes(), &response); err != nil || response.Response == nil {
		return review, fmt.Errorf("the webhook responded %d: %s", recorder.Code, recorder.Body)
	}
	review.Warnings = response.Response.Warnings
	if !response.Response.Allowed {
		review.Rejection = "refused"
		if result := response.Response.Result; result != nil {
			review.Rejection = result.Message
		}
	}
	return review, nil
}

// Documents iterates over the objects of a YAML stream.
func Documents(manifests string) func(func(*unstructured.Unstructured, error) bool) {
	return func(yield func(*unstructured.Unstructured, error) bool) {
		decoder := kyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096)
		for {
			object := &unstructured.Unstructured{}
			err := decoder.Decode(object)
			if err == io.EOF {
				return
			}
			// A stream may begin with comments, before any object.
			if err == nil && len(object.Object) == 0 {
				continue
			}
			if !yield(object, err) || err != nil {
				return
			}
		}
	}
}
