package intake

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func micro(t time.Time) *metav1.MicroTime { return new(metav1.NewMicroTime(t)) }

func TestStartOfStream(t *testing.T) {
	const org, other = "00D000000000001EAA", "00D000000000002EAA"
	ran := v1alpha1.TriggerStatus{Topic: eventTopic, OrgID: org, ReplayID: []byte("p"), CommittedAt: micro(noon)}
	lost := v1alpha1.TriggerStatus{Topic: eventTopic, OrgID: org, CommittedAt: micro(noon)}
	for name, tc := range map[string]struct {
		stored   []v1alpha1.TriggerStatus
		org      string
		initial  v1alpha1.InitialReplay
		want     pubsub.Position
		wantGaps []v1alpha1.Gap
	}{
		"the first time":                        {org: org, initial: v1alpha1.EarliestReplay, want: pubsub.Position{Preset: pubsub.Earliest}},
		"the first time, from now on":           {org: org, initial: v1alpha1.LatestReplay, want: pubsub.Position{Preset: pubsub.Latest}},
		"the first time, nothing said":          {org: org, want: pubsub.Position{Preset: pubsub.Earliest}},
		"again":                                 {stored: []v1alpha1.TriggerStatus{ran}, org: org, want: pubsub.Position{Preset: pubsub.Custom, ReplayID: []byte("p"), StoredAt: noon}},
		"again, from now on is for the first":   {stored: []v1alpha1.TriggerStatus{ran}, org: org, initial: v1alpha1.LatestReplay, want: pubsub.Position{Preset: pubsub.Custom, ReplayID: []byte("p"), StoredAt: noon}},
		"a lost position never skips":           {stored: []v1alpha1.TriggerStatus{lost}, org: org, initial: v1alpha1.LatestReplay, want: pubsub.Position{Preset: pubsub.Earliest}},
		"another topic's position is not ours":  {stored: []v1alpha1.TriggerStatus{{Topic: changeTopic, OrgID: org, ReplayID: []byte("p"), CommittedAt: micro(noon)}}, org: org, want: pubsub.Position{Preset: pubsub.Earliest}},
		"an interrupted first start":            {stored: []v1alpha1.TriggerStatus{{Topic: eventTopic, OrgID: org}}, org: org, initial: v1alpha1.LatestReplay, want: pubsub.Position{Preset: pubsub.Latest}},
		"another org, before anything was read": {stored: []v1alpha1.TriggerStatus{{Topic: eventTopic, OrgID: org}}, org: other, initial: v1alpha1.LatestReplay, want: pubsub.Position{Preset: pubsub.Latest}},
		"another org's position": {
			stored: []v1alpha1.TriggerStatus{ran}, org: other, initial: v1alpha1.LatestReplay, want: pubsub.Position{Preset: pubsub.Earliest},
			wantGaps: []v1alpha1.Gap{{Topic: eventTopic, From: micro(noon), To: *micro(noon.Add(time.Hour)), Cause: "the stored position belongs to org " + org + ", but the login leads to org " + other}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := record{Triggers: tc.stored}
			r = r.copy()
			got, gap := r.start(eventTopic, tc.org, tc.initial, noon.Add(time.Hour))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("position (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantGaps, r.Gaps); diff != "" || gap != (len(tc.wantGaps) > 0) {
				t.Errorf("reported %t, gaps (-want +got):\n%s", gap, diff)
			}
			if s := r.trigger(eventTopic); s.OrgID != tc.org {
				t.Errorf("the org of the position is %s, want %s", s.OrgID, tc.org)
			}
		})
	}
}

func TestGapLifecycle(t *testing.T) {
	r := record{}
	r.start(eventTopic, "org", v1alpha1.EarliestReplay, noon)
	r.commit(eventTopic, []byte("a"), noon)
	r.commit(eventTopic, nil, noon.Add(time.Hour))
	if got := r.trigger(eventTopic); string(got.ReplayID) != "a" || !got.CommittedAt.Time.Equal(noon) {
		t.Fatalf("an empty position was taken: %+v", got)
	}
	found := noon.Add(80 * time.Hour)
	if !r.openGap(eventTopic, "too old", found) {
		t.Fatal("the first rejection opens no gap")
	}
	if r.openGap(eventTopic, "too old", found.Add(time.Second)) {
		t.Error("the same rejection, reported again, opens a second gap")
	}
	r.recovered("A")
	r.recovered("B")
	r.recovered("B")
	r.announced("B", found.Add(-time.Hour))
	r.announced("A", found.Add(time.Minute))
	for _, began := range []time.Time{found.Add(-time.Second), found} {
		if early := r.closeGaps(began, found); len(early) != 0 {
			t.Errorf("a sweep from before the last rejection closed the gap: %+v", early)
		}
	}
	want := []v1alpha1.Gap{{
		Topic: eventTopic, From: micro(noon), To: *micro(found.Add(time.Second)), Cause: "too old",
		OrdersRecovered: 1, Orders: []string{"A"}, ClosedAt: micro(found.Add(time.Minute)),
	}}
	if diff := cmp.Diff(want, r.closeGaps(found.Add(2*time.Second), found.Add(time.Minute))); diff != "" {
		t.Errorf("closed gaps (-want +got):\n%s", diff)
	}
	r.recovered("C")
	if diff := cmp.Diff(want, r.Gaps); diff != "" {
		t.Errorf("a closed gap changed (-want +got):\n%s", diff)
	}
	r.commit(eventTopic, []byte("b"), found.Add(time.Hour))
	if !r.openGap(eventTopic, "again", found.Add(2*time.Hour)) || len(r.openGaps()) != 1 {
		t.Error("a position that was rejected later opens no new gap")
	}
}

func TestGapsAreBounded(t *testing.T) {
	r := record{}
	for n := range 30 {
		at := noon.Add(time.Duration(n) * time.Hour)
		r.commit(eventTopic, fmt.Append(nil, n), at)
		r.openGap(eventTopic, fmt.Sprint(n), at)
		if n != 3 {
			r.closeGaps(at, at)
		}
		if n == 3 {
			r.Gaps[3].To = *micro(noon.Add(1000 * time.Hour))
		}
	}
	if len(r.Gaps) != mostGaps {
		t.Fatalf("%d gaps are kept, want %d", len(r.Gaps), mostGaps)
	}
	if r.Gaps[0].Cause != "3" || r.Gaps[0].ClosedAt != nil {
		t.Errorf("the oldest gap kept is %+v, want the open one", r.Gaps[0])
	}
	for n := range 150 {
		r.recovered(fmt.Sprint(n))
	}
	if g := r.Gaps[0]; len(g.Orders) != mostGapOrders || g.OrdersRecovered != 150 {
		t.Errorf("%d orders listed and %d counted, want %d and 150", len(g.Orders), g.OrdersRecovered, mostGapOrders)
	}
}

func TestPositionIsAsOldAsItsEvent(t *testing.T) {
	r := record{}
	at := func() time.Time { return r.trigger(eventTopic).CommittedAt.Time }
	r.commit(eventTopic, []byte("a"), noon.Add(-60*time.Hour))
	if !at().Equal(noon.Add(-60 * time.Hour)) {
		t.Errorf("the position is of %s, want the time of its event", at())
	}
	r.commit(eventTopic, []byte("b"), noon)
	r.commit(eventTopic, []byte("c"), noon.Add(-time.Minute)) // the publishers' clocks differ
	if got := r.trigger(eventTopic); !at().Equal(noon) || string(got.ReplayID) != "c" {
		t.Errorf("position %q of %s, want it to move on and grow no older", got.ReplayID, at())
	}
}

func TestSweepCovers(t *testing.T) {
	for name, tc := range map[string]struct {
		record record
		want   time.Duration
	}{
		"the first":                              {record{}, -96 * time.Hour},
		"soon after the last":                    {record{Sweep: &v1alpha1.SweepStatus{CompletedAt: micro(noon.Add(-time.Minute))}}, -96 * time.Hour},
		"what changed while a long one ran":      {record{Sweep: &v1alpha1.SweepStatus{StartedAt: micro(noon.Add(-100 * time.Hour)), CompletedAt: micro(noon.Add(-time.Minute))}}, -101 * time.Hour},
		"after a week of suspension":             {record{Sweep: &v1alpha1.SweepStatus{CompletedAt: micro(noon.Add(-168 * time.Hour))}}, -169 * time.Hour},
		"a gap that began long ago":              {record{Gaps: []v1alpha1.Gap{{From: micro(noon.Add(-200 * time.Hour))}}}, -201 * time.Hour},
		"a gap from the beginning":               {record{Gaps: []v1alpha1.Gap{{}}}, -96 * time.Hour},
		"a gap that is closed":                   {record{Gaps: []v1alpha1.Gap{{From: micro(noon.Add(-200 * time.Hour)), ClosedAt: micro(noon)}}}, -96 * time.Hour},
		"a sweep that has never been successful": {record{Sweep: &v1alpha1.SweepStatus{Message: "no"}}, -96 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.record.covered(noon, 96*time.Hour); !got.Equal(noon.Add(tc.want)) {
				t.Errorf("covered = %s, want %s", got, noon.Add(tc.want))
			}
		})
	}
}

func TestRetire(t *testing.T) {
	r := record{}
	for n := range 12 {
		r.trigger(fmt.Sprintf("/event/E%d__e", n)).Phase = PhaseStreaming
	}
	r.retire([]v1alpha1.Trigger{{Topic: "/event/E0__e"}})
	var got []string
	for _, s := range r.Triggers {
		got = append(got, s.Topic+" "+s.Phase)
	}
	want := []string{"/event/E0__e Streaming"}
	for n := 4; n < 12; n++ {
		want = append(want, fmt.Sprintf("/event/E%d__e Stopped", n))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
}
