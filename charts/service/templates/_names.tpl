{{/* A dependency's alias is its chart's name; alone it is the release that names it. */}}
{{- define "service.name" -}}
{{- .Values.name | default (ternary .Release.Name .Chart.Name (eq .Chart.Name "service")) | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "service.selector" -}}
app.kubernetes.io/name: {{ include "service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "service.labels" -}}
{{ include "service.selector" . }}
app.kubernetes.io/part-of: tercet
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* One repository for each service beside the others, at one version, unless it is said for this one. */}}
{{- define "service.image" -}}
{{- $all := (.Values.global).images | default dict -}}
{{- $repository := .Values.image.repository -}}
{{- if not $repository -}}
{{- $repository = printf "%s/%s" (required "image.repository or global.images.from: say where the image is" $all.from) (include "service.name" .) -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default $all.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "service.secret" -}}
{{- .Values.secret | default (include "service.name" .) -}}
{{- end }}
