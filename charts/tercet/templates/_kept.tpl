{{/* What a key of a Secret holds since an earlier install, or else what is offered. Takes (list $ secret key new). */}}
{{- define "tercet.kept" -}}
{{- $root := index . 0 -}}
{{- $data := (lookup "v1" "Secret" $root.Release.Namespace (index . 1)).data | default dict -}}
{{- if hasKey $data (index . 2) -}}
{{- get $data (index . 2) | b64dec -}}
{{- else -}}
{{- index . 3 -}}
{{- end -}}
{{- end }}
