{{- define "enclasp.coordinatorImage" -}}
{{ .Values.coordinator.repository }}/{{ .Values.coordinator.image }}:{{ .Values.coordinator.version }}
{{- with .Values.coordinator.hash }}@{{ . }}{{ end }}
{{- end }}

{{- define "enclasp.injectorImage" -}}
{{- $c := .Values.coordinator }}{{ $i := .Values.marbleInjector -}}
{{ $i.repository | default $c.repository }}/{{ $i.image | default $c.image }}:{{ $i.version | default $c.version }}
{{- with $i.hash | default (ternary $c.hash "" (not (or $i.repository $i.image $i.version))) }}@{{ . }}{{ end }}
{{- end }}

{{- define "enclasp.labels" -}}
app.kubernetes.io/part-of: enclasp
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "enclasp.coordinatorSelector" -}}
app.kubernetes.io/name: coordinator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "enclasp.injectorSelector" -}}
app.kubernetes.io/name: marble-injector
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "enclasp.controllerSelector" -}}
app.kubernetes.io/name: enclasp-controller
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "enclasp.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
{{- end }}

{{- define "enclasp.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Names under which a coordinator is reached: the Services, short and long, and what the operator adds. */}}
{{- define "enclasp.dnsNames" -}}
{{- $names := list "localhost" -}}
{{- with .Values.coordinator.hostname }}{{ $names = concat $names (splitList "," .) }}{{ end -}}
{{- range $service := list "coordinator-client-api" "coordinator-mesh-api" -}}
{{- $full := printf "%s.%s" $service $.Release.Namespace -}}
{{- $names = concat $names (list $service $full (printf "%s.svc" $full) (printf "%s.svc.%s" $full $.Values.marbleInjector.clusterDomain)) -}}
{{- end -}}
{{ join "," $names }}
{{- end }}

{{/* Whether the state is in Secrets of the namespace, which several replicas share; "true" or empty. */}}
{{- define "enclasp.inCluster" -}}
{{- if or (gt (int .Values.coordinator.replicas) 1) .Values.coordinator.distributedDeployment }}true{{ end -}}
{{- end }}

{{/* Istio's sidecars and its ambient mode stay out: what they would do to these ports ends the TLS that proves us.  Older
versions look for the annotation of the same name; Linkerd has an annotation alone. */}}
{{- define "enclasp.outsideMeshLabels" -}}
sidecar.istio.io/inject: "false"
istio.io/dataplane-mode: none
{{- end }}

{{/* One webhook configuration for each release and namespace: the object is the cluster's. */}}
{{- define "enclasp.webhookName" -}}
marble-injector-{{ .Release.Namespace }}
{{- end }}
