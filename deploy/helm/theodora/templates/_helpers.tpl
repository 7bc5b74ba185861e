{{- define "theodora.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "theodora.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "theodora.labels" -}}
{{ include "theodora.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "theodora.claim" -}}
{{ .Values.persistence.existingClaim | default (include "theodora.name" .) }}
{{- end }}

{{- define "theodora.volumeOfOneNode" -}}
{{ if and .Values.persistence.enabled (ne .Values.persistence.accessMode "ReadWriteMany") }}yes{{ end }}
{{- end }}
