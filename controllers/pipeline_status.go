package controllers

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/intake"
)

// wanted is what the intake should do for a pipeline.
func wanted(pipeline *v1alpha1.ProvisioningPipeline, links *pipelineLinks) intake.Wanted {
	w := intake.Wanted{Pipeline: pipeline.DeepCopy()}
	if links.salesforce.client != nil {
		w.Salesforce = links.salesforce.client
	}
	if m := links.mapping.mapping; m != nil {
		w.Gate = &intake.Gate{Object: m.Objects().Order, Where: m.GateSOQL()}
	}
	return w
}

// finding is what one condition of a pipeline says.
type finding struct {
	condition string
	ok        bool
	reason    string
	message   string
}

// findings are the conditions of a pipeline, in the order in which Ready looks at them.
func findings(pipeline *v1alpha1.ProvisioningPipeline, links *pipelineLinks, snapshot intake.Snapshot) []finding {
	return []finding{
		mappingFinding(links),
		whmcsFinding(links),
		salesforceFinding(pipeline, links, snapshot),
		gapFinding(snapshot),
	}
}

func mappingFinding(links *pipelineLinks) finding {
	if p := links.mapping.problem; p != nil {
		return finding{v1alpha1.MappingValidCondition, false, p.reason, p.message}
	}
	message := fmt.Sprintf("ConfigMap %s is in use", links.mapping.version.Name)
	var warnings []string
	for _, warning := range links.mapping.mapping.Warnings() {
		warnings = append(warnings, warning.String())
	}
	if len(warnings) > 0 {
		message += ". Look at: " + strings.Join(warnings, "; ")
	}
	return finding{v1alpha1.MappingValidCondition, true, v1alpha1.MappingCompiledReason, message}
}

func whmcsFinding(links *pipelineLinks) finding {
	if p := links.whmcs.trouble(); p != nil {
		return finding{v1alpha1.WhmcsReachableCondition, false, p.reason, p.message}
	}
	return finding{v1alpha1.WhmcsReachableCondition, true, v1alpha1.ReachableReason, "WHMCS answers"}
}

// salesforceFinding joins login and streams: a login that works says nothing about a topic.
func salesforceFinding(pipeline *v1alpha1.ProvisioningPipeline, links *pipelineLinks, snapshot intake.Snapshot) finding {
	f := finding{condition: v1alpha1.SalesforceConnectedCondition}
	if p := links.salesforce.trouble(); p != nil {
		f.reason, f.message = p.reason, p.message
		return f
	}
	if pipeline.Spec.Suspend {
		f.reason, f.message = v1alpha1.SuspendedReason, "The pipeline is suspended: streams are stopped, their positions are kept"
		return f
	}
	state, ok := snapshot.Connected()
	if !ok {
		f.reason, f.message = v1alpha1.ConnectingReason, "The streams are being started"
		return f
	}
	f.ok = state.Reason == v1alpha1.ConnectedReason
	f.reason = state.Reason
	f.message = state.Topic + ": " + state.Message
	if f.ok {
		f.message = fmt.Sprintf("%d of %d triggers are streaming", len(snapshot.Triggers), len(snapshot.Triggers))
	}
	return f
}

func gapFinding(snapshot intake.Snapshot) finding {
	if len(snapshot.OpenGaps) == 0 {
		return finding{v1alpha1.GapFreeCondition, true, v1alpha1.NoGapReason, "No events are known to be missing"}
	}
	var topics []string
	for _, gap := range snapshot.OpenGaps {
		topics = append(topics, fmt.Sprintf("%s until %s (%s)", gap.Topic, gap.To.UTC().Format("2006-01-02 15:04:05 MST"), gap.Cause))
	}
	return finding{v1alpha1.GapFreeCondition, false, v1alpha1.GapOpenReason,
		"Events may be missing: " + strings.Join(topics, "; ") + ". The sweep is looking for their orders"}
}

// needsPerson tells whether somebody has to act before the pipeline can work.
func needsPerson(reason string) bool {
	switch reason {
	case v1alpha1.SecretMissingReason, v1alpha1.SecretInvalidReason, v1alpha1.AuthenticationFailedReason, v1alpha1.CertificateUntrustedReason,
		v1alpha1.TopicUnavailableReason, v1alpha1.MappingMissingReason, v1alpha1.MappingInvalidReason:
		return true
	}
	return false
}

// patchStatus writes the parts of the status that are the reconciler's: the intake writes the others.
func (r *PipelineReconciler) patchStatus(ctx context.Context, pipeline *v1alpha1.ProvisioningPipeline, links *pipelineLinks) error {
	before := pipeline.DeepCopy()
	status := &pipeline.Status
	snapshot := r.Intake.Snapshot(client.ObjectKeyFromObject(pipeline))
	describe(pipeline, findings(pipeline, links, snapshot))
	status.ObservedGeneration = pipeline.Generation
	if links.orgID != "" {
		status.OrgID = links.orgID
	}
	// Not told since the manager started is no reason to forget it; another WHMCS is.
	if links.version != "" || status.MarkersURL != pipeline.Spec.Whmcs.URL {
		status.WhmcsVersion = links.version
	}
	if links.mapping.mapping != nil {
		status.Mapping = new(links.mapping.version)
	}
	status.Markers, status.MarkersURL = links.markers.known(), pipeline.Spec.Whmcs.URL
	if equality.Semantic.DeepEqual(before.Status, *status) {
		return nil
	}
	if err := r.Status().Patch(ctx, pipeline, client.MergeFrom(before)); err != nil {
		return client.IgnoreNotFound(err)
	}
	r.announce(before, pipeline)
	return nil
}

// describe sets the conditions. Ready mirrors the first that is not True, Stalled the first that needs a person.
func describe(pipeline *v1alpha1.ProvisioningPipeline, all []finding) {
	ready := finding{v1alpha1.ReadyCondition, true, v1alpha1.OperationalReason, "Orders are taken in and provisioned"}
	stalled := finding{condition: v1alpha1.StalledCondition}
	for _, f := range all {
		setPipelineCondition(pipeline, f)
		if !f.ok && ready.ok {
			ready = finding{v1alpha1.ReadyCondition, false, f.reason, f.message}
		}
		if !f.ok && !stalled.ok && needsPerson(f.reason) {
			stalled = finding{v1alpha1.StalledCondition, true, f.reason, f.message}
		}
	}
	setPipelineCondition(pipeline, ready)
	conditions := &pipeline.Status.Conditions
	meta.RemoveStatusCondition(conditions, v1alpha1.ReconcilingCondition)
	meta.RemoveStatusCondition(conditions, v1alpha1.StalledCondition)
	switch {
	case stalled.ok:
		setPipelineCondition(pipeline, stalled)
	case !ready.ok:
		setPipelineCondition(pipeline, finding{v1alpha1.ReconcilingCondition, true, v1alpha1.ProgressingReason, ready.message})
	}
}

func setPipelineCondition(pipeline *v1alpha1.ProvisioningPipeline, f finding) {
	status := metav1.ConditionFalse
	if f.ok {
		status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&pipeline.Status.Conditions, metav1.Condition{
		Type: f.condition, Status: status, Reason: f.reason, Message: cut(f.message, maxMessage), ObservedGeneration: pipeline.Generation,
	})
}

// announce records an event for each condition that changed.
func (r *PipelineReconciler) announce(before, after *v1alpha1.ProvisioningPipeline) {
	for _, name := range []string{v1alpha1.MappingValidCondition, v1alpha1.WhmcsReachableCondition, v1alpha1.SalesforceConnectedCondition} {
		was, is := meta.FindStatusCondition(before.Status.Conditions, name), meta.FindStatusCondition(after.Status.Conditions, name)
		if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason {
			continue
		}
		eventType := "Warning"
		if is.Status == metav1.ConditionTrue || is.Reason == v1alpha1.ConnectingReason || is.Reason == v1alpha1.SuspendedReason {
			eventType = "Normal"
		}
		r.Recorder.Eventf(after, nil, eventType, is.Reason, "Check", "%s", note(is.Message))
	}
}
