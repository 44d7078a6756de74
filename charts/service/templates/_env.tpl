{{/* Every variable that is no secret. What follows from other settings cannot be set to something else. */}}
{{- define "service.env" -}}
{{- $derived := dict
  "PORT" .Values.port
  "DRAIN_DELAY_MS" (mul .Values.drain.delaySeconds 1000)
  "DRAIN_TIMEOUT_MS" (mul .Values.drain.timeoutSeconds 1000)
  "MIGRATE_AT_START" (eq .Values.migrations.mode "start")
  "OTEL_SERVICE_NAME" (include "service.name" .)
-}}
{{- range $name, $value := merge $derived .Values.env ((.Values.global).env | default dict) }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}
