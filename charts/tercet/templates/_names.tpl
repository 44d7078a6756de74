{{/* Of what is not one of the three services. Take (list $ name). */}}
{{- define "tercet.selector" -}}
app.kubernetes.io/name: {{ last . }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
{{- end }}

{{- define "tercet.labels" -}}
{{ include "tercet.selector" . }}
app.kubernetes.io/part-of: tercet
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (first .).Release.Service }}
{{- end }}
